import TelpherClient
import Testing

@testable import TelpherCLI

struct ProgressLineTests {
  private func progress(
    _ path: String = "a.bin", bytes: Int64 = 450_000, of total: Int64 = 1_000_000,
    files: Int = 0, ofFiles: Int = 1, isKnown: Bool = true
  ) -> TransferProgress {
    var progress = TransferProgress()
    (progress.path, progress.bytes, progress.totalBytes) = (path, bytes, total)
    (progress.files, progress.totalFiles, progress.isTotalKnown) = (files, ofFiles, isKnown)
    return progress
  }

  @Test func aSingleFileHasPercentBytesRateAndTimeLeft() {
    #expect(
      ProgressLine.text(progress(), rate: 100_000, width: 80)
        == "a.bin  45%  450 kB  100 kB/s  0:06 left")
  }

  @Test func severalFilesAreCounted() {
    #expect(
      ProgressLine.text(progress(files: 3, ofFiles: 12), rate: nil, width: 80)
        == "a.bin  3/12 files  45%  450 kB  -")
  }

  @Test func anUnknownTotalHasNoPercentage() {
    #expect(
      ProgressLine.text(progress(files: 3, ofFiles: 12, isKnown: false), rate: 1_000, width: 80)
        == "a.bin  3/12+ files  450 kB  1.0 kB/s")
  }

  @Test func aHundredPercentMeansComplete() {
    let almost = progress(bytes: 999_999)
    #expect(ProgressLine.text(almost, rate: nil, width: 80).contains("99%"))
    let all = progress(bytes: 1_000_000)
    #expect(ProgressLine.text(all, rate: nil, width: 80).contains("100%"))
    // An empty file has no percentage.
    #expect(!ProgressLine.text(progress(bytes: 0, of: 0), rate: nil, width: 80).contains("%"))
  }

  @Test func theNameIsShortenedToTheWidth() {
    let name = String(repeating: "x", count: 100) + "tail"
    let line = ProgressLine.text(progress(name), rate: 100_000, width: 60)
    #expect(Columns.count(line) == 59)
    #expect(line.hasPrefix("xxxx") && line.contains("…") && line.contains("tail  45%"))
  }

  @Test(arguments: 0...50)
  func theLineAlwaysFits(_ width: Int) {
    let line = ProgressLine.text(
      progress("漢字漢字漢字漢字", files: 1, ofFiles: 9), rate: 5, width: width)
    #expect(Columns.count(line) <= max(0, width - 1))
  }
}

struct SummaryLineTests {
  @Test func theSummaryCountsFilesBytesAndFailures() {
    var counts = TreeCounts()
    (counts.storedEntries.files, counts.bytes) = (3, 2_100_000_000)
    #expect(SummaryLine.text(counts, seconds: 2.5) == "3 files, 2.1 GB in 2.50 s, 840 MB/s")
    (counts.storedEntries.files, counts.bytes, counts.storedEntries.links) = (1, 0, 1)
    (counts.skippedEntries.files, counts.failedEntries.files) = (7, 2)
    #expect(
      SummaryLine.text(counts, seconds: 90)
        == "1 file, 1 link, 0 B in 1:30; 7 skipped; 2 failed")
  }
}
