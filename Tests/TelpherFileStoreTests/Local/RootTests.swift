import CTelpherSys
import Glibc
import TelpherTestSupport
import Testing

@testable import TelpherFileStore

@Suite struct RootTests {
  @Test(arguments: [ENOSYS, EPERM, EINVAL]) func kernelWithoutOpenat2IsReported(errno: Int32) {
    let error = #expect(throws: FileError.self) { try Root("/tmp".bytes) { _ in -errno } }
    #expect(error?.code == .unsupported)
    #expect(error?.errno == errno)
    #expect(error?.message.hasPrefix("cannot confine files to '/tmp': openat2(2)") == true)
  }

  @Test func rootMustBeAFolder() throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "")
    #expect(code { _ = try Root(sandbox.inside("nothing")) } == .notFound)
    let error = #expect(throws: FileError.self) { try Root(sandbox.inside("file")) }
    #expect(error?.code == .notAFolder)
    #expect(error?.message == "cannot open the folder '\(sandbox.inside("file"))': Not a directory")
  }

  @Test func openingOtherThanAFolderFails() throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "")
    #expect(code { _ = try sandbox.root.folder("nothing") } == .notFound)
    #expect(code { _ = try sandbox.root.folder("file") } == .notAFolder)
    #expect(code { _ = try sandbox.root.folder("file/below") } == .notAFolder)
    #expect(code { _ = try sandbox.root.parent(of: .root) } == .badPath)
    #expect(try sandbox.root.parent(of: "file").path == .root)
  }

  @Test func statusOfEachKind() throws {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("folder")
    try sandbox.write("file", "12345")
    try sandbox.link("link", to: "file")
    try check(chmod(sandbox.inside("file"), 0o640), "chmod")
    let (file, none) = try sandbox.root.status("file", followsLink: false)
    #expect(file.kind == .file && file.size == 5 && file.mode == 0o640 && none == nil)
    let (link, target) = try sandbox.root.status("link", followsLink: false)
    #expect(link.kind == .link && target == "file".bytes)
    let (followed, followedTarget) = try sandbox.root.status("link", followsLink: true)
    #expect(followed == file && followedTarget == nil)
    #expect(try sandbox.root.status(.root, followsLink: false).0.kind == .folder)
    #expect(code { _ = try sandbox.root.status("none", followsLink: false) } == .notFound)
  }

  @Test func foldersAreMadeWithTheirParents() throws {
    let sandbox = try Sandbox()
    let root = sandbox.root
    #expect(code { try root.makeFolder("a/b/c", mode: 0o755, withParents: false) } == .notFound)
    try root.makeFolder("a/b/c", mode: 0o755, withParents: true)
    #expect(try root.status("a/b/c", followsLink: false).0.kind == .folder)
    #expect(code { try root.makeFolder("a/b/c", mode: 0o755, withParents: false) } == .exists)
    try root.makeFolder("a/b/c", mode: 0o755, withParents: true)
    try root.makeFolder(.root, mode: 0o755, withParents: true)
    try sandbox.write("file", "")
    #expect(code { try root.makeFolder("file/a", mode: 0o755, withParents: true) } == .notAFolder)
    try sandbox.link("nowhere", to: "nothing")
    #expect(code { try root.makeFolder("nowhere/a", mode: 0o755, withParents: true) } == .notFound)
    try sandbox.link("out", to: "../outside")
    #expect(code { try root.makeFolder("out/a", mode: 0o755, withParents: true) } == .badPath)
  }

  @Test func moveRenamesAndReplaces() throws {
    let sandbox = try Sandbox()
    let root = sandbox.root
    try sandbox.makeFolder("folder")
    try sandbox.write("a", "a")
    try sandbox.write("b", "b")
    let error = #expect(throws: FileError.self) { try root.move("a", to: "b", replacing: false) }
    #expect(error?.code == .exists)
    #expect(error?.message == "cannot rename 'a' to 'b': the destination exists already")
    #expect(sandbox.text("b") == "b")
    try root.move("a", to: "b", replacing: true)
    #expect(sandbox.text("a") == nil && sandbox.text("b") == "a")
    try root.move("b", to: "folder/c", replacing: false)
    #expect(sandbox.text("folder/c") == "a")
    #expect(code { try root.move("folder", to: "folder/in", replacing: true) } == .badPath)
    #expect(
      code { try root.move("folder/c", to: "folder", replacing: true) } == .notEmpty
        || code { try root.move("folder/c", to: "folder", replacing: true) } == .notAFile)
    #expect(code { try root.move("none", to: "x", replacing: true) } == .notFound)
    #expect(code { try root.move(.root, to: "x", replacing: true) } == .badPath)
  }

  @Test func removeDeletesFilesAndTrees() throws {
    let sandbox = try Sandbox()
    let root = sandbox.root
    try sandbox.makeFolder("folder")
    try sandbox.makeFolder("folder/empty")
    try sandbox.write("folder/file", "")
    try sandbox.link("folder/link", to: "../../outside")
    try check(mkfifo(sandbox.inside("folder/fifo"), 0o600), "mkfifo")
    let before = try sandbox.outside()
    #expect(code { try root.remove("folder", recursively: false) } == .notEmpty)
    try root.remove("folder/empty", recursively: false)
    try root.remove("folder", recursively: true)
    #expect(try sandbox.top().names().isEmpty)
    #expect(code { try root.remove("folder", recursively: true) } == .notFound)
    #expect(code { try root.remove(.root, recursively: true) } == .badPath)
    #expect(code { try root.remove("./", recursively: true) } == .badPath)
    try sandbox.link("link", to: "../outside")
    try root.remove("link", recursively: true)
    #expect(try sandbox.outside() == before)
  }
}
