import Glibc
import TelpherTestSupport
import Testing

@testable import TelpherFileStore

@Suite struct UnconfinedRootTests {
  @Test func linksLeadAnywhere() throws {
    let sandbox = try Sandbox()
    try sandbox.link("absolute", to: sandbox.path + "/outside/secret")
    try sandbox.link("up", to: "../outside")
    let root = try Root(unconfined: sandbox.inside("").bytes)
    #expect(!root.isConfined && sandbox.root.isConfined)
    for path in ["absolute", "up/secret"] as [RelativePath] {
      #expect(try root.status(path, followsLink: true).0.kind == .file)
      #expect(code { _ = try sandbox.root.status(path, followsLink: true) } == .badPath)
      #expect(try root.openFile(path).status.size == 6)
      #expect(code { _ = try sandbox.root.openFile(path) } == .badPath)
    }
    let (folder, name) = try root.fileLinked(at: "absolute")
    #expect(name == "secret".bytes && "\(folder.path)" == sandbox.path + "/outside")
    #expect(code { _ = try sandbox.root.fileLinked(at: "absolute") } == .badPath)
  }

  @Test func targetOfALinkIsFound() throws {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("folder")
    try sandbox.write("folder/file", "")
    try sandbox.link("chain", to: "link")
    try sandbox.link("link", to: "folder/../folder/file")
    try sandbox.link("loop", to: "loop")
    try sandbox.link("nothing", to: "none")
    try sandbox.link("place", to: "folder")
    for link in ["chain", "link"] as [RelativePath] {
      let (folder, name) = try sandbox.root.fileLinked(at: link)
      #expect(folder.path == "folder" && name == "file".bytes)
    }
    #expect(code { _ = try sandbox.root.fileLinked(at: "nothing") } == .notFound)
    #expect(code { _ = try sandbox.root.fileLinked(at: "loop") } == .badPath)
    #expect(code { _ = try sandbox.root.fileLinked(at: "place") } == .notAFile)
  }

  @Test func folderIsInsideItsAncestors() throws {
    let sandbox = try Sandbox()
    try sandbox.root.makeFolder("a/b", mode: 0o755, withParents: true)
    try sandbox.link("link", to: "a/b")
    let other = try Root(unconfined: Array("/".utf8))
    let whole = try RelativePath(String(sandbox.inside("a").dropFirst()))
    let (a, b) = (
      try FolderLineage(of: sandbox.root, "a"), try FolderLineage(of: sandbox.root, "link")
    )
    #expect(b.isInside(a) && a.isInside(a) && !a.isInside(b))
    #expect(b.isInside(try FolderLineage(of: other, whole)))
    #expect(a.isInside(try FolderLineage(of: other, .root)))
    #expect(!FolderLineage(names: []).isInside(a) && !a.isInside(FolderLineage(names: [])))
  }

  @Test func rootWithoutSearchPermissionIsReported() {
    let error = #expect(throws: FileError.self) { try Root("/tmp".bytes) { _ in -EACCES } }
    #expect(error?.code == .notPermitted)
    #expect(error?.message == "cannot enter the root '/tmp': Permission denied")
  }
}
