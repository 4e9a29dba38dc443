import Glibc
import TelpherFileStore
import TelpherTestSupport
import Testing

@Suite struct FolderTests {
  @Test func namesMayHaveAnyBytesAndAreSorted() throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    let names: [[UInt8]] = [[0xFF, 0x01], [0x0A], "b".bytes, "a".bytes, "B".bytes, "aa".bytes]
    for name in names { try top.makeFolder(name, mode: 0o755) }
    #expect(
      try top.names() == [[0x0A], "B".bytes, "a".bytes, "aa".bytes, "b".bytes, [0xFF, 0x01]])
  }

  @Test func linksAreMadeAtomically() throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    let name = "link".bytes
    try top.makeLink(name, target: [0xFF], modifiedNS: -1, replacing: false)
    #expect(try top.linkTarget(of: name) == [0xFF])
    #expect(try top.status(of: name)?.modifiedNS == -1)
    #expect(
      code { try top.makeLink(name, target: [0x61], modifiedNS: nil, replacing: false) } == .exists)
    try top.makeLink(name, target: "/etc".bytes, modifiedNS: 7_000_000_009, replacing: true)
    #expect(try top.linkTarget(of: name) == "/etc".bytes)
    #expect(try top.status(of: name)?.modifiedNS == 7_000_000_009)
    #expect(try top.names() == [name])
  }

  @Test func folderIsNotReplacedByALink() throws {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("folder")
    let top = try sandbox.top()
    let error = #expect(throws: FileError.self) {
      try top.makeLink("folder".bytes, target: [0x61], modifiedNS: nil, replacing: true)
    }
    #expect(error?.code == .notAFile)
    #expect(try top.names() == ["folder".bytes])
  }

  @Test(arguments: [[], [0x61, 0], Array(repeating: 0x61, count: 4096)] as [[UInt8]])
  func invalidLinkTargetIsRefused(target: [UInt8]) throws {
    let top = try Sandbox().top()
    #expect(
      code { try top.makeLink([0x61], target: target, modifiedNS: nil, replacing: false) }
        == .badPath)
  }

  @Test func attributesAreSet() throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "text")
    let top = try sandbox.top()
    try top.setAttributes(of: "file".bytes, mode: 0o4751, modifiedNS: -1_500_000_001)
    var status = try #require(try top.status(of: "file".bytes))
    #expect(status.mode == 0o4751)
    #expect(status.modifiedNS == -1_500_000_001)
    try top.setAttributes(of: "file".bytes, mode: 0o200, modifiedNS: nil)
    status = try #require(try top.status(of: "file".bytes))
    #expect(status.mode == 0o200)
    #expect(status.modifiedNS == -1_500_000_001)
    #expect(code { try top.setAttributes(of: [0x61], mode: 0, modifiedNS: nil) } == .notFound)
    #expect(try top.status(of: [0x61]) == nil)
  }

  @Test func foldersAndFilesDoNotReplaceEachOther() throws {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("folder")
    try sandbox.write("file", "")
    let top = try sandbox.top()
    #expect(code { try top.makeFolder("file".bytes, mode: 0o755) } == .exists)
    #expect(code { try top.remove("file".bytes, isFolder: true) } == .notAFolder)
    #expect(code { try top.remove("folder".bytes, isFolder: false) } == .notAFile)
    #expect(
      code { try top.rename("file".bytes, to: top, "folder".bytes, replacing: true) } == .notAFile)
    #expect(
      code { try top.rename("folder".bytes, to: top, "file".bytes, replacing: true) }
        == .notAFolder)
    #expect(
      code { try top.rename("folder".bytes, to: top, "file".bytes, replacing: false) } == .exists)
  }

  @Test func openFolderIsTheSameAfterARename() throws {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("old")
    let folder = try sandbox.root.folder("old")
    try check(Glibc.rename(sandbox.inside("old"), sandbox.inside("new")), "rename")
    try sandbox.link("old", to: "../outside")
    try folder.makeFolder("child".bytes, mode: 0o755)
    #expect(try sandbox.root.folder("new").names() == ["child".bytes])
  }

  @Test func syncSucceeds() throws {
    let top = try Sandbox().top()
    #expect(throws: Never.self) { try top.sync() }
    #expect(throws: Never.self) { try top.syncFileSystem() }
  }
}
