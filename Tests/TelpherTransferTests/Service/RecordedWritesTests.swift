import Glibc
import Synchronization
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

/// The paths that `put` and `put_tree` write are recorded before they are written.
@Suite(.timeLimit(.minutes(1))) struct RecordedWritesTests {
  /// Puts a folder `d` with two files and a link, and then the single file `one`.
  private func putAll(
    _ fixture: TreeFixture, record: @escaping WriteRecorder
  ) async throws -> (tree: CloseResult?, file: CloseResult?) {
    let service = FileService(root: try Root(unconfined: fixture.destination.bytes))
    var hasher = FileHasher(.xxh128)
    Chunk([7]).withUnsafeBytes { hasher.update($0) }
    let digest = hasher.digest
    let (_, tree) = await PortPair().run { (port) throws(FileError) in
      port.sendRecord(.entry(FileEntry(path: "d", kind: .directory, mode: 0o755)))
      port.sendRecord(.entry(FileEntry(path: "d/link", kind: .symlink, link: "a")))
      for name in ["a", "b"] { port.announce(name, in: "d", size: 1) }
      port.sendRecord(.whole(first: 2, digests: [digest, digest]))
      port.enqueue(Chunk([7, 7]), on: .file)
      port.sendRecord(.leave(0))
      port.complete(files: 2, folders: 1, links: 1)
      while try port.receive(.index) != nil {}
    } _: { (port) throws(FileError) in
      var request = FileRequest(.putTree, "")
      request.recursive = true
      defer { port.finish(.index) }
      return service.perform(request, on: port, record: record)
    }
    let (_, file) = await PortPair().run { (port) throws(FileError) in
      port.enqueue(Chunk([7]), on: .file)
      port.finish(.file)
      port.send(.digest(digest))
      while try port.receive(.index) != nil {}
    } _: { (port) throws(FileError) in
      service.perform(FileRequest(.put, "one"), on: port, record: record)
    }
    return (try tree.get(), try file.get())
  }

  @Test func eachPathIsRecordedOnceBeforeItExists() async throws {
    try await TreeFixture.with { fixture in
      let recorded = Mutex<[String]>([])
      let (tree, file) = try await putAll(fixture) { paths in
        for path in paths {
          let path = String(decoding: path, as: UTF8.self)
          #expect(access(path, F_OK) != 0, "\(path)")
          recorded.withLock { $0.append(path) }
        }
      }
      #expect(tree?.result == .stored && file?.result == .stored)
      let names = ["d", "d/a", "d/b", "d/link", "one"]
      #expect(recorded.withLock { $0 }.sorted() == names.map { "\(fixture.destination)/\($0)" })
    }
  }

  @Test func whatCannotBeRecordedIsNotWritten() async throws {
    try await TreeFixture.with { fixture in
      mkdir(fixture.destination + "/d", 0o755)
      let (tree, file) = try await putAll(fixture) { (_) throws(FileError) in
        throw FileError(.refused, "the record is full")
      }
      #expect(tree?.result == .failed && file?.result == .failed)
      #expect(tree?.tree?.failed == 3)
      #expect(file?.message == "the record is full")
      #expect(try Root(fixture.destination).folder(.root).names() == [[UInt8(ascii: "d")]])
      #expect(try Root(fixture.destination + "/d").folder(.root).names() == [])
    }
  }
}
