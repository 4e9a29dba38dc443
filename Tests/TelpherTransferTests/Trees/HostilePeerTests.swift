import Glibc
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

/// Malicious senders and receivers.
@Suite(.timeLimit(.minutes(1))) struct HostilePeerTests {
  /// A link that came from the sender is not followed, even if its target is below the root.
  @Test func nothingIsStoredThroughALinkFromTheSender() async throws {
    try await TreeFixture.with { fixture in
      mkdir(fixture.destination + "/private", 0o700)
      let (_, received) = try await fixture.receive(expecting: "tree") {
        (port) throws(FileError) in
        port.sendRecord(
          .entry(
            FileEntry(path: PathText("tree"), kind: .symlink, link: PathText("private"))))
        port.announce("file", in: "tree", size: 1)
        port.complete(files: 1, links: 1)
        while try port.receive(.index) != nil {}
      }
      let (counts, failures) = try received.get()
      #expect(counts.failed == 1)
      #expect(
        failures.map(\.message) == [
          "cannot open 'tree': a symbolic link in it may not be followed"
        ])
      #expect(try Root(fixture.destination + "/private").folder(.root).names() == [])
    }
  }

  /// An existing link that has the name of a folder is not followed either.
  @Test func existingLinkIsNotFollowedAsAFolder() async throws {
    try await TreeFixture.with { fixture in
      for path in ["/tree", "/other"] { mkdir(fixture.destination + path, 0o755) }
      symlink("../other", fixture.destination + "/tree/sub")
      mkdir(fixture.source + "/sub", 0o755)
      fixture.write(fixture.source + "/sub/file", [1])
      fixture.write(fixture.source + "/beside", [2])
      let outcome = try await fixture.transfer()
      #expect(try outcome.failures.map(\.path).sorted() == ["tree/sub", "tree/sub/file"])
      #expect(try Root(fixture.destination + "/other").folder(.root).names() == [])
      #expect(TreeFixture.read(fixture.destination + "/tree/beside") == [2])
    }
  }

  @Test(arguments: [
    #"{"want":9223372036854775807}"#, #"{"want":0,"count":9223372036854775807}"#,
    #"{"skip":1,"count":-1}"#, #"{"want":-1}"#, #"{"want":2}"#,
  ]) func answerForAnUnknownEntryEndsTheStream(_ answer: String) async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/file", [1])
      let from = try Root(fixture.source)
      let (sent, _) = await PortPair().run { (port) throws(FileError) in
        var sender = TreeSender(
          port: port, root: from, source: .root, name: Array("tree".utf8),
          options: TransferOptions())
        try sender.run()
      } _: { (port) throws(FileError) in
        _ = try port.receive(.index)
        port.enqueue(Chunk(Array("\(answer)\n".utf8)), on: .index)
        while try port.receive(.index) != nil {}
      }
      let error = #expect(throws: FileError.self) { try sent.get() }
      #expect(error?.message == "the receiver answered for an unknown or settled entry")
    }
  }

  @Test func hugeHoleIsRefusedAndHugeSizesDoNotOverflow() async throws {
    try await TreeFixture.with { fixture in
      let meter = TransferMeter()
      let (_, received) = try await fixture.receive(meter: meter) { (port) throws(FileError) in
        port.announce("a", in: "", size: .max)
        port.announce("b", in: "", size: .max)
        _ = try port.receive(.index)
        port.sendRecord(.file(FilePart(0, hole: .max)))
        while try port.receive(.index) != nil {}
      }
      let error = #expect(throws: FileError.self) { try received.get() }
      #expect(error?.message.contains("a hole of") == true)
      #expect(meter.progress.totalBytes == .max)
    }
  }

  /// It is refused before any of it is hashed.
  @Test(arguments: [5, Int64(1) << 60, .max]) func holeBeyondTheAnnouncedSizeIsRefused(
    _ hole: Int64
  )
    async throws
  {
    try await TreeFixture.with { fixture in
      let (_, received) = try await fixture.receive { (port) throws(FileError) in
        port.announce("a", in: "", size: 4)
        _ = try port.receive(.index)
        port.sendRecord(.file(FilePart(0, hole: hole)))
        while try port.receive(.index) != nil {}
      }
      let error = #expect(throws: FileError.self) { try received.get() }
      #expect(error?.message == "a hole of \(hole) bytes at 0 of 'a', which was announced with 4")
    }
  }

  /// The announced bytes of a connection are limited over all its streams. A stream returns its
  /// share when it ends.
  @Test func tooManyAnnouncedBytesEndTheStream() async throws {
    try await TreeFixture.with { fixture in
      let announced = AnnouncedBytes(limit: 100_000)
      let root = try Root(fixture.destination)
      let (_, received) = await PortPair().run { (port) throws(FileError) in
        for number in 0..<1_000 { port.announce("\(number)", in: "", size: 1) }
        while try port.receive(.index) != nil {}
      } _: { (port) throws(FileError) in
        var receiver = try TreeReceiver(
          port: port, root: root, base: .root, options: TransferOptions(), announced: announced)
        try receiver.run()
      }
      let error = #expect(throws: FileError.self) { try received.get() }
      #expect(error?.message.hasSuffix("their paths take over 100000 bytes") == true)
      #expect(announced.count == 0)
    }
  }

  @Test(arguments: [Int64.min, -1]) func negativeStartIsRefused(_ start: Int64)
    async throws
  {
    try await TreeFixture.with { fixture in
      let (_, received) = try await fixture.receive { (port) throws(FileError) in
        port.announce("a", in: "", size: 1)
        _ = try port.receive(.index)
        port.sendRecord(.file(FilePart(0, start: start, hole: 1)))
        while try port.receive(.index) != nil {}
      }
      let error = #expect(throws: FileError.self) { try received.get() }
      #expect(error?.message == "the start offset \(start) is negative")
    }
  }

  /// The receiver stops hashing a hole when the stream ends.
  @Test func hashingOfAHugeHoleEndsWithTheStream() async throws {
    try await TreeFixture.with { fixture in
      let (_, received) = try await fixture.receive { (port) throws(FileError) in
        port.announce("a", in: "", size: 1 << 59)
        _ = try port.receive(.index)
        port.sendRecord(.file(FilePart(0, hole: 1 << 59)))
        throw FileError(.canceled, "enough")
      }
      #expect(throws: FileError.self) { try received.get() }
    }
  }

  /// Both ends may wait for room at once if the receiver has many answers. The sender then reads
  /// them, which prevents a deadlock.
  @Test func senderReadsAnswersWhileItWaitsForRoom() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/file", noise(4_000_000, seed: 1))
      let from = try Root(fixture.source)
      let result = try await TransferPort.withBlockedSends { (port) throws(FileError) in
        var sender = TreeSender(
          port: port, root: from, source: .root, name: [], options: TransferOptions())
        try sender.run()
      } meanwhile: { port in
        try await eventually("it is announced") {
          port.state.queuedBytes > 0
        }
        let want = TreeRecord.want(EntryRun(1), after: nil)
        port.deliver(Chunk(want.encoded()), on: .index)
        try await eventually("it waits for room") { port.state.room == .full }
        let failed = TreeRecord.failure(1, "the disk is full", path: nil)
        port.deliver(Chunk(failed.encoded()), on: .index)
        try await eventually("it has read the answers") {
          port.state.room == .full && port.state.unreadBytes(of: .index) == 0
        }
      }
      let error = #expect(throws: FileError.self) { try result.get() }
      #expect(error?.code == .canceled)
    }
  }

  /// One record may make a thousand files fail, each with a long message.
  @Test func receiverLimitsQueuedAnswersIfTheSenderDoesNotRead() async throws {
    try await TreeFixture.with { fixture in
      let root = try Root(fixture.destination)
      let folder = [UInt8](repeating: 1, count: 200)
      let result = try await TransferPort.withBlockedSends { (port) throws(FileError) in
        var receiver = try TreeReceiver(
          port: port, root: root, base: .root, options: TransferOptions())
        try receiver.run()
      } meanwhile: { port in
        for _ in 0..<4 {
          var files = FileBatch(folder: PathText(Array("missing/".utf8) + folder), mode: 0o644)
          for number in 0..<1_000 { files.append("\(number)", size: 1, mtimeNS: 0) }
          port.deliver(Chunk(TreeRecord.files(files).encoded()), on: .index)
        }
        try await eventually("it waits for room") { port.state.room == .full }
        let most = PortState.queuedReads.most * ReadBuffer.largeRead
        #expect(port.state.queuedBytes < most + (64 << 10))
      }
      #expect(throws: FileError.self) { try result.get() }
    }
  }
}
