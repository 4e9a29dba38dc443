import Glibc
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

/// A `put_tree` of one file with a `name`: the server decides whether its path is a folder.
@Suite(.timeLimit(.minutes(1))) struct NamedPutTests {
  /// Puts a file that is called `own` on the client's side.
  ///
  /// - Parameter names: the names of the records.
  private func put(
    to path: String, records names: [String], _ fixture: TreeFixture
  ) async throws -> CloseResult? {
    let service = FileService(root: try Root(unconfined: fixture.destination.bytes))
    var request = FileRequest(.putTree, PathText(path))
    request.name = PathText("own")
    let (_, result) = await PortPair().run { (port) throws(FileError) in
      for name in names { port.announce(name, in: "", size: 1) }
      var hasher = FileHasher(.xxh128)
      Chunk([7]).withUnsafeBytes { hasher.update($0) }
      port.sendRecord(.whole(first: 0, digests: names.map { _ in hasher.digest }))
      port.enqueue(Chunk(names.map { _ in 7 }), on: .file)
      port.complete(files: names.count)
      while try port.receive(.index) != nil {}
    } _: { [request] (port) throws(FileError) in
      let result = service.perform(request, on: port)
      // If it failed early, the sender still waits.
      port.finish(.index)
      return result
    }
    return try result.get()
  }

  @Test(arguments: [("d", "d"), ("d/", "d"), ("link", "link")])
  func inAFolderTheFileKeepsItsName(_ path: String, _ record: String) async throws {
    try await TreeFixture.with { fixture in
      mkdir(fixture.destination + "/d", 0o755)
      symlink("d", fixture.destination + "/link")
      let result = try await put(to: path, records: [record], fixture)
      #expect(result?.result == .stored)
      #expect(TreeFixture.read(fixture.destination + "/d/own") == [7])
    }
  }

  @Test func otherwiseItGetsTheNameOfThePath() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.destination + "/old", [1])
      for name in ["old", "new"] {
        let result = try await put(to: name, records: [name], fixture)
        #expect(result?.result == .stored)
        #expect(TreeFixture.read("\(fixture.destination)/\(name)") == [7])
      }
    }
  }

  @Test func aMissingParentFailsTheRequest() async throws {
    try await TreeFixture.with { fixture in
      let result = try await put(to: "missing/new", records: ["new"], fixture)
      #expect(result?.result == .failed && result?.errno == ENOENT)
    }
  }

  @Test(arguments: [["x"], ["new", "new"]])
  func anyOtherFileViolatesTheProtocol(_ records: [String]) async throws {
    try await TreeFixture.with { fixture in
      let result = try await put(to: "new", records: records, fixture)
      #expect(result?.result == .failed)
      #expect(result?.message?.contains("besides the only file") == true)
      #expect(try Root(fixture.destination).folder(.root).names() == [])
    }
  }
}
