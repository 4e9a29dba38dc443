import Glibc
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFiles

/// A receiver that requested one file accepts nothing else.
@Suite(.timeLimit(.minutes(1))) struct OneFileTests {
  private func receive(
    _ fixture: TreeFixture, _ entries: [FileEntry]
  ) async throws -> FileError? {
    let root = try Root(fixture.destination)
    let (_, received) = await PortPair().run { (port) throws(FileError) in
      for entry in entries { port.sendRecord(TreeRecord(entry: entry)) }
      while try port.receive(.index) != nil {}
    } _: { (port) throws(FileError) in
      var receiver = try TreeReceiver(
        port: port, root: root, base: .root, expecting: "x".bytes, acceptsOnlyFile: true,
        options: TransferOptions())
      try receiver.run()
    }
    if case .failure(let error) = received { return error }
    return nil
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
        port.sendRecord(TreeRecord(entry: link))
        port.sendRecord(TreeRecord(entry: self.file("x")))
        port.send([9], asFile: 1)
        while try port.receive(.index) != nil {}
      } _: { [options] (port) throws(FileError) in
        var receiver = try TreeReceiver(
          port: port, root: root, base: .root, expecting: "x".bytes, options: options)
        try receiver.run()
      }
      #expect(TreeFixture.read(fixture.source + "/victim") == [7])
    }
  }
}
