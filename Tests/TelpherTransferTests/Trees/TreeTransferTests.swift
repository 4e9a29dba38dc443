import Glibc
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

/// Transfers of trees from a `TreeSender` to a `TreeReceiver` in memory.
@Suite(.timeLimit(.minutes(5))) struct TreeTransferTests {
  @Test func contentsModesTimesAndLinksArePreserved() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/empty", [])
      fixture.write(fixture.source + "/script", Array("#!/bin/sh\n".utf8), mode: 0o755)
      fixture.write(fixture.source + "/secret", [1, 2, 3], mode: 0o400)
      mkdir(fixture.source + "/hollow", 0o750)
      mkdir(fixture.source + "/closed", 0o755)
      fixture.write(fixture.source + "/closed/inside", [4])
      chmod(fixture.source + "/closed", 0o555)
      symlink("../elsewhere", fixture.source + "/link")
      symlink("/etc/passwd", fixture.source + "/absolute")
      let name = fixture.source + "/line\nbreak \u{1F600}"
      fixture.write(name, [5])
      fixture.write(fixture.source + "/large", noise(3_000_000, seed: 1))
      let outcome = try await fixture.transfer()
      #expect(outcome.messages == [])
      #expect(try outcome.sent.get() == [])
      let (from, to) = (
        try TreeFixture.listing(fixture.source),
        try TreeFixture.listing(fixture.destination + "/tree")
      )
      #expect(from == to)
      #expect(from.count == 10)
      #expect(try outcome.counts.files == 6)
      #expect(try outcome.counts.links == 2)
    }
  }

  @Test func namesMayHaveAnyBytes() async throws {
    try await TreeFixture.with { fixture in
      let name: [UInt8] = [0xFF, 0xFE, 0x41]
      let folder = try Root(fixture.source).folder(.root)
      try folder.makeFolder(name, mode: 0o755)
      try folder.makeLink([0x80], target: [0xC3, 0x28], modifiedNS: 5, replacing: false)
      _ = try await fixture.transfer()
      #expect(
        try TreeFixture.listing(fixture.source)
          == TreeFixture.listing(fixture.destination + "/tree"))
    }
  }

  /// Times before 1970 and in the far future. Those after 2262 exceed 64 bits of nanoseconds.
  @Test(arguments: [-5_000_000_000, 9_223_372_037, 13_569_465_600])
  func distantTimesArePreserved(_ seconds: Int) async throws {
    try await TreeFixture.with { fixture in
      let time = timespec(tv_sec: seconds, tv_nsec: 123_456_789)
      mkdir(fixture.source + "/folder", 0o755)
      fixture.write(fixture.source + "/folder/file", [1])
      symlink("file", fixture.source + "/folder/link")
      for path in ["/folder/file", "/folder/link", "/folder"] {
        utimensat(AT_FDCWD, fixture.source + path, [time, time], AT_SYMLINK_NOFOLLOW)
      }
      let outcome = try await fixture.transfer()
      #expect(outcome.messages == [])
      for path in ["/folder/file", "/folder/link", "/folder"] {
        var (here, there) = (stat(), stat())
        lstat(fixture.source + path, &here)
        lstat(fixture.destination + "/tree" + path, &there)
        #expect(here.st_mtim.tv_sec == there.st_mtim.tv_sec)
        #expect(here.st_mtim.tv_nsec == there.st_mtim.tv_nsec)
      }
      // The second transfer finds them equal.
      let second = try await fixture.transfer()
      #expect(try second.counts.skipped == 1)
    }
  }

  @Test func holesArePreserved() async throws {
    try await TreeFixture.with { fixture in
      let path = fixture.source + "/sparse"
      fixture.write(path, [1])
      let descriptor = open(path, O_WRONLY)
      // The file is larger than 4 GiB, with data in the middle and a hole at the end.
      pwrite(descriptor, "middle", 6, 4 << 30)
      ftruncate(descriptor, (4 << 30) + 10_000_000)
      close(descriptor)
      let outcome = try await fixture.transfer()
      #expect(outcome.messages == [])
      #expect(outcome.sentBytes < 1_000_000)
      let copy = try Root(fixture.destination + "/tree").status(
        RelativePath("sparse"), followsLink: false
      ).0
      #expect(copy.size == (4 << 30) + 10_000_000)
      #expect(copy.allocated < 1_000_000)
    }
  }

  @Test(arguments: 0..<20)
  func randomTreesAreStoredForAnyChunkSize(_ seed: Int) async throws {
    try await TreeFixture.with { fixture in
      var generator = SeededGenerator(seed: UInt64(seed))
      fixture.fill(&generator)
      var faults = PortPair.Faults()
      faults.piece = [1_000, 4_097, 65_536, .max].randomElement(using: &generator)!
      var options = TransferOptions()
      options.digest = DigestAlgorithm.allCases.randomElement(using: &generator)!
      let outcome = try await fixture.transfer(options, faults)
      #expect(outcome.messages == [])
      #expect(
        try TreeFixture.listing(fixture.source)
          == TreeFixture.listing(fixture.destination + "/tree"))
      // A second transfer sends no file.
      let second = try await fixture.transfer(options)
      #expect(try second.counts.bytes == 0)
      #expect(try second.counts.files == 0)
      #expect(try second.counts.skipped == outcome.counts.files)
    }
  }

  @Test func onlyAChangedFileIsSentAgain() async throws {
    try await TreeFixture.with { fixture in
      for number in 0..<50 {
        fixture.write(fixture.source + "/\(number)", noise(1_000, seed: number))
      }
      _ = try await fixture.transfer()
      fixture.write(fixture.source + "/17", noise(1_000, seed: 99))
      let outcome = try await fixture.transfer()
      #expect(try outcome.counts.files == 1)
      #expect(try outcome.counts.skipped == 49)
      #expect(
        try TreeFixture.listing(fixture.source)
          == TreeFixture.listing(fixture.destination + "/tree"))
    }
  }

  @Test func digestsFindChangesThatSizeAndTimeDoNot() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/same", [1, 2, 3])
      fixture.write(fixture.source + "/other", [1, 2, 3])
      _ = try await fixture.transfer()
      let copies = fixture.destination + "/tree"
      fixture.write(copies + "/other", [4, 5, 6])
      for path in ["/same", "/other"] {
        // "same" has equal bytes and another time; "other" has other bytes and the same time.
        var times = [timespec](
          repeating: timespec(tv_sec: path == "/same" ? 7 : 0, tv_nsec: 0), count: 2)
        if path == "/other" {
          var status = stat()
          stat(fixture.source + path, &status)
          times = [status.st_mtim, status.st_mtim]
        }
        utimensat(AT_FDCWD, copies + path, times, 0)
      }
      var options = TransferOptions()
      options.comparesDigests = true
      let outcome = try await fixture.transfer(options)
      #expect(try outcome.counts.skipped == 1)
      #expect(try outcome.counts.files == 1)
      #expect(try TreeFixture.listing(fixture.source) == TreeFixture.listing(copies))
    }
  }

  @Test(arguments: [FileRequest.IfExists.fail, .skip])
  func existingFileIsKept(_ ifExists: FileRequest.IfExists) async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/there", [1])
      fixture.write(fixture.source + "/new", [2])
      mkdir(fixture.destination + "/tree", 0o755)
      fixture.write(fixture.destination + "/tree/there", [9, 9])
      var options = TransferOptions()
      options.ifExists = ifExists
      let outcome = try await fixture.transfer(options)
      #expect(TreeFixture.read(fixture.destination + "/tree/there") == [9, 9])
      #expect(TreeFixture.read(fixture.destination + "/tree/new") == [2])
      #expect(try outcome.counts.failed == (ifExists == .fail ? 1 : 0))
      #expect(try outcome.sent.get().count == (ifExists == .fail ? 1 : 0))
    }
  }

  @Test func failedEntryDoesNotAffectOthers() async throws {
    try await TreeFixture.with { fixture in
      for number in 0..<300 { fixture.write(fixture.source + "/\(number)", [UInt8(number & 255)]) }
      mkfifo(fixture.source + "/fifo", 0o600)
      // A folder has the name of a file, and a file has the name of a folder that is not empty.
      mkdir(fixture.source + "/folder", 0o755)
      fixture.write(fixture.source + "/folder/inside", [1])
      mkdir(fixture.destination + "/tree", 0o755)
      mkdir(fixture.destination + "/tree/100", 0o755)
      fixture.write(fixture.destination + "/tree/folder", [7])
      let outcome = try await fixture.transfer()
      #expect(try outcome.counts.files == 299)
      let failed = try outcome.failures.map(\.path).sorted()
      #expect(failed == ["tree/100", "tree/fifo", "tree/folder", "tree/folder/inside"])
      #expect(try outcome.sent.get().count == 4)
    }
  }

  @Test(arguments: [0, 1, 4_095, 70_000, 1_500_000, 2_999_999])
  func flippedBitIsDetected(_ offset: Int) async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/small", noise(5_000, seed: 3))
      fixture.write(fixture.source + "/zlarge", noise(3_000_000, seed: 2))
      let outcome = try await fixture.transfer(
        TransferOptions(), PortPair.Faults(flip: offset))
      #expect(try outcome.counts.failed == 1)
      #expect(try outcome.failures.first?.message.contains("do not match the sender's") == true)
      let name = offset < 5_000 ? "small" : "zlarge"
      #expect(TreeFixture.read(fixture.destination + "/tree/" + name) == nil)
      #expect(
        try Root(fixture.destination + "/tree").folder(.root).names().filter(Partial.isPartial)
          == []
      )
    }
  }

  @Test(arguments: 0..<40)
  func cutConnectionLeavesCompleteFilesAndCanBeResumed(_ seed: Int) async throws {
    try await TreeFixture.with { fixture in
      var generator = SeededGenerator(seed: UInt64(1_000 + seed))
      fixture.fill(&generator)
      fixture.write(fixture.source + "/zz", noise(2_000_000, seed: seed))
      let whole = try TreeFixture.listing(fixture.source)
      var faults = PortPair.Faults()
      faults.cutAfter = Int.random(in: 0..<2_500_000, using: &generator)
      faults.piece = 50_000
      let cut = try await fixture.transfer(TransferOptions(), faults)
      let present = (try? TreeFixture.listing(fixture.destination + "/tree")) ?? []
      let files = Set(whole.filter { $0.contains(" file ") })
      #expect(present.filter { $0.contains(" file ") }.allSatisfy(files.contains))
      if case .success = cut.received { return }
      var options = TransferOptions()
      options.resume = true
      let rest = try await fixture.transfer(options)
      #expect(rest.messages == [])
      #expect(try TreeFixture.listing(fixture.destination + "/tree") == whole)
    }
  }

  @Test func resumedFileSendsOnlyTheMissingBytes() async throws {
    try await TreeFixture.with { fixture in
      let bytes = noise(8_000_000, seed: 5)
      fixture.write(fixture.source + "/file", bytes)
      _ = try await fixture.transfer(TransferOptions(), PortPair.Faults(cutAfter: 5_000_000))
      var options = TransferOptions()
      options.resume = true
      let rest = try await fixture.transfer(options)
      #expect(rest.messages == [])
      #expect(rest.sentBytes < 4_100_000)
      #expect(TreeFixture.read(fixture.destination + "/tree/file") == bytes)
    }
  }

  @Test func changedSourceIsSentCompletelyInsteadOfResumed() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/file", noise(8_000_000, seed: 5))
      _ = try await fixture.transfer(TransferOptions(), PortPair.Faults(cutAfter: 5_000_000))
      let other = noise(8_000_000, seed: 6)
      fixture.write(fixture.source + "/file", other)
      var options = TransferOptions()
      options.resume = true
      let rest = try await fixture.transfer(options)
      #expect(rest.messages == [])
      #expect(rest.sentBytes > 8_000_000)
      #expect(TreeFixture.read(fixture.destination + "/tree/file") == other)
    }
  }

  @Test func onlyRequestedEntriesAreStored() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/file", [1])
      let outcome = try await fixture.transfer(expecting: Array("other".utf8))
      #expect(throws: FileError.self) { try outcome.received.get() }
      #expect(try TreeFixture.listing(fixture.destination) == [])
    }
  }

  @Test func storedFileIsNeverAMixtureOfTwoVersions() async throws {
    try await TreeFixture.with { fixture in
      let path = fixture.source + "/file"
      fixture.write(path, noise(20_000_000, seed: 1))
      let meter = TransferMeter()
      let writer = Task {
        // Change the file after a part of it was sent.
        for await progress in meter.updates where progress.movedBytes > 0 {
          let descriptor = open(path, O_WRONLY)
          pwrite(descriptor, "x", 1, 10)
          close(descriptor)
          return
        }
      }
      let outcome = try await fixture.transfer(
        TransferOptions(), PortPair.Faults(piece: 2_000), meter: meter)
      meter.finish()
      await writer.value
      let stored = TreeFixture.read(fixture.destination + "/tree/file")
      #expect(outcome.messages == [])
      // It was read before the change, or read again after it.
      #expect(stored == noise(20_000_000, seed: 1) || stored == TreeFixture.read(path))
    }
  }
}

extension TreeFixture {
  /// Fills the source with a random tree: files of many sizes, nested folders, links.
  func fill(_ generator: inout SeededGenerator) {
    var folders = [source]
    for number in 0..<Int.random(in: 5..<60, using: &generator) {
      let path = folders.randomElement(using: &generator)! + "/\(number)"
      switch Int.random(in: 0..<10, using: &generator) {
      case 0, 1:
        mkdir(path, 0o755)
        folders.append(path)
      case 2: symlink("../\(number)", path)
      case 3: write(path, noise(Int.random(in: 0..<400_000, using: &generator), seed: number))
      default: write(path, noise(Int.random(in: 0..<9_000, using: &generator), seed: number))
      }
    }
  }
}
