import Glibc
import TelpherFileStore
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherTransfer

/// Each announced entry is settled exactly once as stored, skipped or failed, and both ends have
/// the same counts.
@Suite(.timeLimit(.minutes(1))) struct TransferLedgerTests {
  @Test func ledgerCountsEachEntryOnce() {
    var ledger = TransferLedger()
    let file = ledger.announce(.file, "a")
    let folder = ledger.announce(.folder, "b")
    let link = ledger.announce(.link, "c")
    ledger.addUnsent()
    #expect([file, folder, link] == [0, 1, 2])
    #expect(ledger.openCount == 3)
    ledger.didMove(file, bytes: 7, digest: "d", size: 7, change: nil)
    #expect(ledger.settle(file, .stored).digest == "d")
    ledger.settle(link, .skipped(.exists))
    _ = ledger.settleFailure(folder)
    #expect(ledger.openCount == 0)
    #expect(!ledger.isOpen(file))
    let counts = ledger.counts
    #expect(counts.storedEntries.files == 1)
    #expect(counts.skippedEntries.links == 1)
    #expect(counts.failedEntries.folders == 1)
    #expect((counts.failed, counts.bytes) == (2, 7))
    #expect(ledger.announced.entries.total == 3)
  }

  /// All slots of the partial file are locked. This failure was once lost.
  @Test func fileWithoutAFreePartialFailsAtBothEnds() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/large", [UInt8](repeating: 7, count: 100_000))
      fixture.write(fixture.source + "/other", [1])
      mkdir(fixture.destination + "/tree", 0o755)
      let folder = try Root(fixture.destination).folder("tree")
      let others = try (0..<8).map { _ in
        try Partial.open(for: "large".bytes, in: folder, keeping: false)
      }
      let outcome = try await fixture.transfer()
      #expect(
        outcome.messages == [
          "cannot write 'tree/large': 8 transfers of it are running; try again when one has ended"
        ])
      #expect(try outcome.counts.files == 1)
      #expect(try outcome.counts.failed == 1)
      let sent = try outcome.sent.get()
      #expect(sent.map(\.message) == outcome.messages)
      #expect(TreeFixture.read(fixture.destination + "/tree/large") == nil)
      others.forEach { $0.discard() }
    }
  }

  @Test func folderFailsIfItsAttributesCannotBeSet() async throws {
    try await TreeFixture.with { fixture in
      let folder = fixture.destination + "/tree"
      let (_, received) = try await fixture.receive { (port) throws(FileError) in
        port.announce(folder: "tree")
        while rmdir(folder) != 0 { sched_yield() }
        port.sendRecord(.leave(0))
        port.complete(folders: 1)
        while try port.receive(.index) != nil {}
      }
      let (counts, failures) = try received.get()
      #expect((counts.folders, counts.failed) == (0, 1))
      #expect(failures.map(\.path) == ["tree"])
    }
  }

  @Test(arguments: [(0, 0, 0), (2, 1, 0), (1, 2, 0), (1, 1, 1)])
  func transferFailsIfTheSendersCountsAreWrong(
    _ files: Int, _ folders: Int, _ unsent: Int
  ) async throws {
    try await TreeFixture.with { fixture in
      let (_, received) = try await fixture.receive { (port) throws(FileError) in
        port.announce(folder: "tree")
        port.announce("file", in: "tree", size: 1)
        _ = try port.receive(.index)
        port.send([9], asFile: 1, complete: (files, folders, unsent))
        while try port.receive(.index) != nil {}
      }
      let error = #expect(throws: FileError.self) { try received.get() }
      #expect(error?.message == "2 entries arrived, which is not what the sender counted")
    }
  }

  @Test func transferFailsIfTheSenderEndsWithoutCounts() async throws {
    try await TreeFixture.with { fixture in
      let (_, received) = try await fixture.receive { (port) throws(FileError) in
        port.finish(.index)
        port.finish(.file)
        while try port.receive(.index) != nil {}
      }
      #expect(throws: FileError.self) { try received.get() }
    }
  }

  @Test func transferFailsIfAFolderIsNotLeft() async throws {
    try await TreeFixture.with { fixture in
      let (_, received) = try await fixture.receive { (port) throws(FileError) in
        port.announce(folder: "tree")
        port.complete(folders: 1)
        while try port.receive(.index) != nil {}
      }
      let error = #expect(throws: FileError.self) { try received.get() }
      #expect(error?.message == "the sender left 1 entries unfinished")
    }
  }

  private static let noCounts =
    #"{"stored":\#(none),"skipped":\#(none),"failed":\#(none),"unsent":0,"bytes":0,"changed":0}"#
  private static let none = #"{"files":0,"folders":0,"links":0}"#

  /// Wrong answers for a folder (entry 0) and a file of 1 byte (entry 1), and what is wrong.
  @Test(arguments: [
    (
      [#"{"stored":0}"#], "the receiver settled 1 of the 2 entries that were sent"
    ),
    (
      [#"{"stored":0,"count":2}"#], "the receiver did not send its counts of the 2 entries"
    ),
    (
      [#"{"stored":0,"count":2}"#, #"{"settled":\#(noCounts)}"#],
      "the receiver's counts of the 2 entries differ from its answers"
    ),
    (
      [#"{"skip":1}"#, #"{"skip":1}"#], "the receiver settled entry 1, which is not open"
    ),
    (
      [#"{"file":0,"failed":"no"}"#, #"{"file":0,"failed":"no"}"#],
      "the receiver answered for an unknown or settled entry"
    ),
    (
      [#"{"stored":2}"#], "the receiver answered for an unknown or settled entry"
    ),
  ])
  func transferFailsIfAnEntryIsNotSettledExactlyOnce(
    _ answers: [String], _ message: String
  ) async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/file", [1])
      let from = try Root(fixture.source)
      let (sent, _) = await PortPair().run { (port) throws(FileError) in
        var sender = TreeSender(
          port: port, root: from, source: .root, name: "tree".bytes, options: TransferOptions())
        try sender.run()
      } _: { (port) throws(FileError) in
        _ = try port.receive(.index)
        port.enqueue(Chunk(Array("{\"want\":1}\n".utf8)), on: .index)
        _ = try port.receive(.file)
        port.enqueue(Chunk(Array(answers.map { $0 + "\n" }.joined().utf8)), on: .index)
        port.finish(.index)
        port.finish(.file)
        while try port.receive(.index) != nil {}
      }
      let error = #expect(throws: FileError.self) { try sent.get() }
      #expect(error?.code == .protocolError)
      #expect(error?.message == message)
    }
  }

  @Test func unreadableFileIsReportedOnceAtBothEnds() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/gone", [1])
      let from = try Root(fixture.source)
      let to = try Root(fixture.destination)
      let pair = PortPair()
      let (sent, received) = await pair.run { (port) throws(FileError) in
        var sender = TreeSender(
          port: port, root: from, source: .root, name: "tree".bytes, options: TransferOptions())
        try sender.run()
        return (sender.counts, sender.failures)
      } _: { (port) throws(FileError) in
        // All announcements arrive in one chunk, and the sender waits for the answers to them.
        guard let announcements = try port.receive(.index) else {
          throw FileError(.protocolError, "nothing was announced")
        }
        unlink(fixture.source + "/gone")
        port.deliver(announcements, on: .index)
        var receiver = try TreeReceiver(
          port: port, root: to, base: .root, options: TransferOptions())
        try receiver.run()
        return receiver.counts
      }
      let (counts, failures) = try sent.get()
      #expect(failures.map(\.message) == ["cannot read 'gone': No such file or directory"])
      #expect(counts.failed == 1)
      #expect(try received.get() == counts)
    }
  }
}
