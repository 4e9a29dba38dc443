import Glibc
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

/// A receiver that requested files by name accepts nothing else.
@Suite(.timeLimit(.minutes(1))) struct OneFileTests {
  private func receive(
    _ fixture: TreeFixture, _ entries: [FileEntry]
  ) async throws -> FileError? {
    let root = try Root(fixture.destination)
    let (_, received) = await PortPair().run { (port) throws(FileError) in
      for entry in entries { port.sendRecord(.entry(entry)) }
      while try port.receive(.index) != nil {}
    } _: { (port) throws(FileError) in
      var receiver = try TreeReceiver(
        port: port, root: root, base: .root, expecting: ExpectedNames("x".bytes),
        acceptsOnlyFiles: true,
        options: TransferOptions())
      try receiver.run()
    }
    if case .failure(let error) = received { return error }
    return nil
  }

  /// What a receiver does that requested the files `x` and `y`.
  private func receiveTwo(
    _ fixture: TreeFixture, _ send: @escaping @Sendable (TransferPort) -> Void
  ) async throws -> FileError? {
    let root = try Root(fixture.destination)
    let (_, received) = await PortPair().run { (port) throws(FileError) in
      send(port)
      while try port.receive(.index) != nil {}
    } _: { (port) throws(FileError) in
      var receiver = try TreeReceiver(
        port: port, root: root, base: .root, expecting: .these(["x".bytes, "y".bytes]),
        options: TransferOptions())
      try receiver.run()
    }
    if case .failure(let error) = received { return error }
    return nil
  }

  @Test func eachRequestedNameIsAcceptedOnce() async throws {
    try await TreeFixture.with { fixture in
      let twice = try await receiveTwo(fixture) { port in
        for name in ["x", "y", "x"] { port.announce(name, in: "", size: 1) }
      }
      #expect(twice?.message == "the sender sent 'x' twice")
      let mixed = try await receiveTwo(fixture) { port in
        port.announce("x", in: "", size: 1)
        port.sendRecord(.entry(self.file("x")))
      }
      #expect(mixed?.message == "the sender sent 'x' twice")
      let other = try await receiveTwo(fixture) { port in
        port.announce("x", in: "", size: 1)
        port.announce("z", in: "", size: 1)
      }
      #expect(other?.message == "the sender sent 'z', which was not requested")
      let below = try await receiveTwo(fixture) { port in
        port.sendRecord(.entry(self.file("z/x")))
      }
      #expect(below?.message == "the sender sent 'z', which was not requested")
    }
  }

  @Test func eachRequestedNameMustArriveOrBeReported() async throws {
    try await TreeFixture.with { fixture in
      let link = FileEntry(path: PathText("x"), kind: .symlink, link: PathText("target"))
      let omitted = try await receiveTwo(fixture) { port in
        port.sendRecord(.entry(link))
        port.complete(links: 1)
      }
      #expect(
        omitted?.message
          == "the sender sent 1 of the 2 requested sources, and reported no failure of the others")
      let reported = try await receiveTwo(fixture) { port in
        port.sendRecord(.entry(link))
        port.sendRecord(.failure(-1, "cannot read 'y'", path: PathText("y")))
        port.complete(links: 1, unsent: 1)
      }
      #expect(reported == nil)
    }
  }

  private func file(_ path: String) -> FileEntry {
    FileEntry(path: PathText(path), kind: .file, size: 1, mode: 0o644, mtimeNS: 0)
  }

  @Test func otherEntriesAreAProtocolError() async throws {
    try await TreeFixture.with { fixture in
      mkdir(fixture.destination + "/x", 0o755)
      for entries in [
        [FileEntry(path: PathText("x"), kind: .symlink, link: PathText("/etc/passwd"))],
        [FileEntry(path: PathText("x"), kind: .directory, mode: 0o777)],
        [file("y")], [file("x/y")], [file("")],
      ] {
        let error = try await receive(fixture, entries)
        #expect(error?.code == .protocolError, "\(entries)")
      }
      rmdir(fixture.destination + "/x")
      #expect(try await receive(fixture, [file("x"), file("x")])?.code == .protocolError)
      #expect(try Root(fixture.destination).folder(.root).names() == [])
    }
  }

  /// A link that came from the sender is not followed, although `followsLinks` is set.
  @Test func noFileIsStoredThroughALinkFromTheSender() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/victim", [7])
      let root = try Root(unconfined: fixture.destination.bytes)
      let link = FileEntry(
        path: PathText("x"), kind: .symlink, link: PathText(fixture.source + "/victim"))
      var options = TransferOptions()
      options.followsLinks = true
      let (_, _) = await PortPair().run { (port) throws(FileError) in
        port.sendRecord(.entry(link))
        port.sendRecord(.entry(self.file("x")))
        port.send([9], asFile: 1)
        while try port.receive(.index) != nil {}
      } _: { [options] (port) throws(FileError) in
        var receiver = try TreeReceiver(
          port: port, root: root, base: .root, expecting: ExpectedNames("x".bytes), options: options
        )
        try receiver.run()
      }
      #expect(TreeFixture.read(fixture.source + "/victim") == [7])
    }
  }
}
