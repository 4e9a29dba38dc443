import Testing

@testable import TelpherCLI

struct AmountTests {
  @Test(arguments: [
    (0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (1_049, "1.0 kB"), (1_050, "1.1 kB"),
    (99_949, "99.9 kB"), (99_950, "100 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"),
    (2_147_483_648, "2.1 GB"), (Int64.max, "9.2 EB"), (-1_500, "-1.5 kB"),
  ])
  func bytesHaveAUnit(_ count: Int64, _ text: String) { #expect(Amount.bytes(count) == text) }

  @Test func ratesAreFormattedPerSecond() {
    #expect(Amount.rate(870_000_000.5) == "870 MB/s")
    #expect(Amount.rate(-1) == "0 B/s")
    #expect(Amount.rate(.infinity) == "-")
  }

  @Test(arguments: [
    (0.0, "0:00"), (0.2, "0:01"), (59.0, "0:59"), (59.5, "1:00"), (754, "12:34"),
    (3_723, "1:02:03"), (.infinity, "-"), (.nan, "-"),
  ])
  func durationsAreShownAsClocks(_ seconds: Double, _ text: String) {
    #expect(Amount.clock(seconds) == text)
  }

  @Test(arguments: [(0.004, "0.00 s"), (1.006, "1.01 s"), (9.99, "9.99 s"), (123, "2:03")])
  func elapsedTimesAreFormatted(_ seconds: Double, _ text: String) {
    #expect(Amount.elapsed(seconds) == text)
  }

  @Test func countsHaveSingularAndPlural() {
    #expect(Amount.count(1, "file") == "1 file")
    #expect(Amount.count(0, "file") == "0 files")
  }
}
