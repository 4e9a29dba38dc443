import Glibc
import Synchronization
import TelpherTestSupport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

/// Several sources over one stream.
struct SeveralSourcesTests {
  /// Sends the sources, each under its own name, into the destination folder.
  private static func send(
    _ names: [String], of fixture: TreeFixture, _ prepare: @Sendable () -> Void = {}
  ) async throws -> (
    sent: (counts: TreeCounts, failures: [TransferFailure]), received: TreeCounts,
    reports: [FileReport]
  ) {
    let sources = try names.map { name in
      let source = try LocalSource((fixture.source + "/" + name).bytes)
      return source.sent(as: source.name)
    }
    prepare()
    let to = try Root(fixture.destination)
    let reports = Mutex<[FileReport]>([])
    let (sent, received) = await PortPair().run { (port) throws(FileError) in
      var sender = TreeSender(
        port: port, sources: sources, options: TransferOptions(),
        onFile: { report in reports.withLock { $0.append(report) } })
      try sender.run()
      return (sender.counts, sender.failures)
    } _: { (port) throws(FileError) in
      var receiver = try TreeReceiver(
        port: port, root: to, base: .root, options: TransferOptions())
      try receiver.run()
      return receiver.counts
    }
    return (try sent.get(), try received.get(), reports.withLock { $0 })
  }

  @Test func filesFoldersAndLinksAreSentTogether() async throws {
    try await TreeFixture.with { fixture in
      let source = fixture.source
      for folder in ["one", "one/tree", "one/tree/deep", "two"] {
        mkdir("\(source)/\(folder)", 0o755)
      }
      fixture.write(source + "/one/a", [1])
      fixture.write(source + "/two/b", [2, 2])
      fixture.write(source + "/one/empty", [])
      fixture.write(source + "/one/tree/deep/c", [3, 3, 3])
      fixture.write(source + "/one/tree/d", [4])
      symlink("../two/b", source + "/one/link")
      symlink("nowhere", source + "/one/tree/broken")
      let (sent, received, reports) = try await Self.send(
        ["one/a", "two/b", "one/tree", "one/empty", "one/link"], of: fixture)
      #expect(sent.counts == received)
      #expect(sent.failures == [])
      #expect(received.files == 6)
      #expect(received.folders == 2)
      let listing = try TreeFixture.listing(fixture.destination, withTimes: false)
      #expect(
        listing.map { String($0.prefix { $0 != " " }) } == [
          "a", "b", "empty", "link", "tree", "tree/broken", "tree/d", "tree/deep", "tree/deep/c",
        ])
      for (name, bytes) in [
        ("a", [1]), ("b", [2, 2]), ("link", [2, 2]), ("tree/deep/c", [3, 3, 3]),
      ]
        as [(String, [UInt8])]
      {
        #expect(TreeFixture.read(fixture.destination + "/" + name) == bytes)
      }
      #expect(
        Set(reports.map { "\($0.path)" })
          == ["a", "b", "empty", "link", "tree/d", "tree/deep/c"])
    }
  }

  @Test func sourceThatIsGoneIsAFailureOfItsOwn() async throws {
    try await TreeFixture.with { fixture in
      let source = fixture.source
      mkdir(source + "/tree", 0o755)
      for name in ["a", "b", "c", "tree/d"] { fixture.write(source + "/" + name, [1]) }
      let (sent, received, reports) = try await Self.send(
        ["a", "b", "tree", "c"], of: fixture
      ) {
        unlink(source + "/b")
        unlink(source + "/tree/d")
        rmdir(source + "/tree")
      }
      #expect(sent.counts == received)
      #expect(received.files == 2)
      #expect(received.failed == 2)
      #expect(
        sent.failures.map(\.message).sorted() == [
          "cannot read 'b': No such file or directory",
          "cannot read the status of 'tree': No such file or directory",
        ])
      #expect(reports.map { "\($0.path)" }.sorted() == ["a", "b", "c"])
    }
  }

  @Test func moreSourcesThanAreAnnouncedAheadAreAllStored() async throws {
    try await TreeFixture.with { fixture in
      let names = (0..<SenderState.maxAhead + 1_000).map { "f\($0)" }
      for name in names { fixture.write(fixture.source + "/" + name, [1]) }
      let (sent, received, reports) = try await Self.send(names, of: fixture)
      #expect(sent.counts == received)
      #expect(received.files == names.count)
      #expect(reports.count == names.count)
      #expect(reports.allSatisfy { $0.outcome == .stored })
    }
  }
}
