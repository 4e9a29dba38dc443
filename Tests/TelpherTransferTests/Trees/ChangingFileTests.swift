import Glibc
import Synchronization
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

/// Files that change while they are read, and files with a reported size of 0 that have contents.
@Suite(.timeLimit(.minutes(1))) struct ChangingFileTests {
  private static let size = 1_500_000

  /// Transfers a file. Calls `change` when its first bytes are sent, and again each time that the
  /// file is sent again, at most `times` times.
  private static func transfer(
    _ fixture: TreeFixture, times: Int, _ change: @escaping @Sendable (Int32) -> Void
  ) async throws -> (TreeFixture.Outcome, [FileReport]) {
    let path = fixture.source + "/file"
    fixture.write(path, noise(size, seed: 1))
    let past = timespec(tv_sec: 1_000, tv_nsec: 0)
    utimensat(AT_FDCWD, path, [past, past], 0)
    let left = Mutex(times)
    let next = Mutex(0)
    let reports = Mutex<[FileReport]>([])
    var faults = PortPair.Faults()
    faults.onFileBytes = { count in
      let isFirst = next.withLock { next in
        guard count > next else { return false }
        next = (count / size + 1) * size
        return true
      }
      guard isFirst,
        left.withLock({ left in
          left -= 1; return left >= 0
        })
      else { return }
      let descriptor = open(path, O_WRONLY)
      change(descriptor)
      close(descriptor)
    }
    let outcome = try await fixture.transfer(TransferOptions(), faults) { report in
      reports.withLock { $0.append(report) }
    }
    return (outcome, reports.withLock { $0 })
  }

  @Test func growingFileIsStoredAsItWasWhenOpened() async throws {
    try await TreeFixture.with { fixture in
      let (outcome, reports) = try await Self.transfer(fixture, times: 1) { descriptor in
        pwrite(descriptor, "more", 4, off_t(Self.size))
      }
      #expect(outcome.messages == [])
      #expect(try outcome.counts.changed == 1)
      let copy = TreeFixture.read(fixture.destination + "/tree/file")
      #expect(copy == noise(Self.size, seed: 1))
      #expect(reports.map(\.change) == [.grew])
      #expect(reports.first?.size == Int64(Self.size))
    }
  }

  @Test func fileWithChangedBytesIsReadAgain() async throws {
    try await TreeFixture.with { fixture in
      let (outcome, reports) = try await Self.transfer(fixture, times: 2) { descriptor in
        pwrite(descriptor, "x", 1, off_t.random(in: 0..<100))
      }
      #expect(outcome.messages == [])
      let copy = TreeFixture.read(fixture.destination + "/tree/file")
      #expect(copy == TreeFixture.read(fixture.source + "/file"))
      #expect(reports.map(\.change) == [.reread])
      #expect(try outcome.counts.changed == 1)
      #expect(outcome.sentBytes > 3 * Self.size)
    }
  }

  @Test func shrinkingFileIsReadAgain() async throws {
    try await TreeFixture.with { fixture in
      let (outcome, reports) = try await Self.transfer(fixture, times: 1) { descriptor in
        ftruncate(descriptor, 1_000)
      }
      #expect(outcome.messages == [])
      let copy = TreeFixture.read(fixture.destination + "/tree/file")
      #expect(copy == Array(noise(Self.size, seed: 1).prefix(1_000)))
      #expect(reports.map(\.change) == [.reread])
    }
  }

  @Test func fileThatChangesDuringEachAttemptFails() async throws {
    try await TreeFixture.with { fixture in
      let (outcome, reports) = try await Self.transfer(fixture, times: .max) { descriptor in
        var byte = UInt8.random(in: 0...255)
        pwrite(descriptor, &byte, 1, 10)
        ftruncate(descriptor, off_t(Self.size))
      }
      #expect(outcome.messages == ["cannot read 'file': it changed while it was read"])
      #expect(try outcome.counts.failed == 1)
      #expect(TreeFixture.read(fixture.destination + "/tree/file") == nil)
      #expect(try Root(fixture.destination + "/tree").folder(.root).names() == [])
      #expect(
        reports.map(\.outcome) == [.failed("cannot read 'file': it changed while it was read")])
    }
  }

  /// Files of proc(5) have a size of 0.
  @Test(arguments: ["version", "cpuinfo", "kallsyms"])
  func fileWithASizeOfZeroIsReadToItsEnd(_ name: String) async throws {
    try await TreeFixture.with { fixture in
      let content = try #require(TreeFixture.read("/proc/" + name))
      let path = try RelativePath(name)
      let destination = try Root(fixture.destination)
      // In the second round the destination exists.
      for _ in 0..<2 {
        let (sent, received) = await PortPair().run { (port) throws(FileError) in
          var sender = TreeSender(
            port: port, root: try Root("/proc"), source: path, name: path.name,
            options: TransferOptions())
          try sender.run()
          return sender.failures
        } _: { (port) throws(FileError) in
          var receiver = try TreeReceiver(
            port: port, root: destination, base: .root, options: TransferOptions())
          try receiver.run()
          return receiver.counts
        }
        #expect(try sent.get() == [])
        #expect(try received.get().files == 1)
        let copy = try #require(TreeFixture.read("\(fixture.destination)/\(name)"))
        // The processor frequencies in cpuinfo change between two reads.
        #expect(name == "cpuinfo" ? copy.count > 100 : copy == content)
      }
    }
  }

  @Test func getReadsAFileWithASizeOfZeroToItsEnd() async throws {
    let content = try #require(TreeFixture.read("/proc/version"))
    let (sent, received) = await PortPair().run { (port) throws(FileError) in
      var sender = FileSender(
        port: port,
        place: FilePlace(
          root: try Root("/proc"), path: RelativePath("version"), mustBeFolder: false),
        request: FileRequest(.get, PathText("version")))
      return try sender.run()
    } _: { (port) throws(FileError) in
      try MemoryFile.receive(from: port, digest: .xxh128, limit: 1 << 20)
    }
    #expect(try received.get().bytes == content)
    #expect(try sent.get().digest == received.get().digest)
  }

  @Test func existingEmptyFileIsSkipped() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/empty", [])
      let first = try await fixture.transfer()
      #expect(try first.counts.files == 1)
      let second = try await fixture.transfer()
      #expect(try second.counts.skipped == 1)
    }
  }

  @Test func eachFileIsReportedWithItsDigest() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/a", [1, 2, 3])
      fixture.write(fixture.source + "/b", noise(300_000, seed: 2))
      let reports = Mutex<[FileReport]>([])
      var options = TransferOptions()
      (options.digest, options.comparesDigests) = (.sha256, true)
      for isSecond in [false, true] {
        _ = try await fixture.transfer(options) { report in reports.withLock { $0.append(report) } }
        let found = reports.withLock { $0.sorted { "\($0.path)" < "\($1.path)" } }
        reports.withLock { $0 = [] }
        #expect(found.map(\.path) == [PathText("tree/a"), PathText("tree/b")])
        #expect(
          found.map(\.outcome)
            == [FileReport.Outcome](repeating: isSecond ? .skipped(.unchanged) : .stored, count: 2))
        #expect(found.allSatisfy { $0.algorithm == .sha256 })
        // SHA-256 of the bytes 1, 2, 3.
        #expect(
          found.first?.digest == "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81")
      }
    }
  }
}
