import Glibc
import TelpherFileStore
import TelpherTestSupport
import Testing

/// No path leads out of a confined root, and only files and folders are opened.
@Suite struct ConfinementTests {
  /// Link targets, and the error of following each link.
  static let links: [(target: String, code: FileError.Code)] = [
    ("/etc", .badPath), ("/", .badPath), ("../outside", .badPath), ("..", .badPath),
    ("folder/../../outside", .badPath), ("folder/up/../../outside", .badPath), ("self", .badPath),
    ("nothing", .notFound),
  ]

  @Test(arguments: links) func linkOutOfTheRootIsNotFollowed(
    target: String, code expected: FileError.Code
  )
    throws
  {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("folder")
    try sandbox.link("folder/up", to: "..")
    try sandbox.link("self", to: "self")
    try sandbox.link("link", to: target)
    let before = try sandbox.outside()
    #expect(code { _ = try sandbox.root.folder("link") } == expected)
    #expect(code { _ = try sandbox.root.folder("link/x") } == expected)
    #expect(code { _ = try sandbox.root.status("link", followsLink: true) } == expected)
    #expect(code { _ = try sandbox.root.status("link/secret", followsLink: false) } == expected)
    #expect(code { try sandbox.root.remove("link/secret", recursively: true) } == expected)
    #expect(code { try sandbox.root.move("link/secret", to: "x", replacing: true) } == expected)
    #expect(
      code { try sandbox.root.makeFolder("link/x", mode: 0o755, withParents: false) } == expected)
    let top = try sandbox.top()
    #expect(code { _ = try top.folder("link".bytes) } == .notAFolder)
    #expect(code { _ = try top.openFile("link".bytes) } == .notAFile)
    #expect(try sandbox.outside() == before)
  }

  @Test(arguments: ["../outside/secret", "/etc/hostname", "folder/../../outside/secret"])
  func fileOutsideIsNotReadThroughALink(target: String) throws {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("folder")
    try sandbox.link("link", to: target)
    let error = #expect(throws: FileError.self) {
      try sandbox.top().openFile("link".bytes, followsLink: true)
    }
    #expect(error?.code == .badPath)
    #expect(error?.message == "cannot read 'link': a symbolic link leads out of the root")
    #expect(error?.path == "link")
  }

  @Test func linksInsideAreFollowed() throws {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("a")
    try sandbox.makeFolder("a/b")
    try sandbox.write("a/b/file", "inside")
    try sandbox.link("a/b/up", to: "../..")
    try sandbox.link("link", to: "a/b/up/a/b")
    try sandbox.link("a/file", to: "b/up/link/file")
    let folder = try sandbox.root.folder("link")
    #expect(try folder.openFile("file".bytes).text() == "inside")
    #expect(
      try sandbox.root.folder("a").openFile("file".bytes, followsLink: true).text() == "inside")
  }

  /// The text of a link in /proc may name a path inside the root while its target is outside.
  @Test func magicLinkIsNotFollowed() throws {
    let root = try Root("/proc/self")
    let outside = open("/", O_RDONLY | O_CLOEXEC)
    defer { close(outside) }
    #expect(code { _ = try root.folder("cwd") } == .badPath)
    #expect(code { _ = try root.folder("root/etc") } == .badPath)
    #expect(code { _ = try root.folder(RelativePath("fd/\(outside)")) } == .badPath)
    #expect(code { _ = try root.status("exe", followsLink: true) } == .badPath)
    #expect(
      code { _ = try root.folder(.root).openFile("exe".bytes, followsLink: true) } == .badPath)
    #expect(try root.folder(.root).openFile("stat".bytes).text().isEmpty == false)
  }

  @Test func onlyRegularFilesAreOpened() throws {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("folder")
    try check(mkfifo(sandbox.inside("fifo"), 0o644), "mkfifo")
    try sandbox.makeSocket("socket")
    for (name, kind) in [
      ("folder", "a folder"), ("fifo", "a FIFO"), ("socket", "a socket"),
    ] {
      try sandbox.link("to-\(name)", to: name)
      for (name, follows) in [(name, false), ("to-\(name)", true)] {
        let error = #expect(throws: FileError.self) {
          try sandbox.top().openFile(name.bytes, followsLink: follows)
        }
        #expect(error?.code == .notAFile)
        #expect(error?.message == "cannot read '\(name)': it is \(kind), not a regular file")
      }
    }
    let devices = try Root("/dev").folder(.root)
    let error = #expect(throws: FileError.self) { try devices.openFile("null".bytes) }
    #expect(error?.message == "cannot read 'null': it is a device, not a regular file")
  }

  /// A writer of a FIFO waits until a reader opens it. Telpher must not be that reader.
  @Test func fifoIsNotOpened() throws {
    let sandbox = try Sandbox()
    try check(mkfifo(sandbox.inside("fifo"), 0o644), "mkfifo")
    _ = try? sandbox.top().openFile("fifo".bytes)
    _ = try? sandbox.root.status("fifo", followsLink: true)
    // No reader has opened it.
    #expect(open(sandbox.inside("fifo"), O_WRONLY | O_NONBLOCK) == -1)
    #expect(errno == ENXIO)
  }

  @Test(arguments: ["", ".", "..", "../outside", "a/b", "/etc", "a\0b"])
  func nameThatIsNotASingleComponentIsRefused(name: String) throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    let name = name.bytes
    #expect(code { _ = try top.status(of: name) } == .badPath)
    #expect(code { _ = try top.openFile(name) } == .badPath)
    #expect(code { _ = try top.folder(name) } == .badPath)
    #expect(code { _ = try top.linkTarget(of: name) } == .badPath)
    #expect(code { try top.makeFolder(name, mode: 0o755) } == .badPath)
    #expect(
      code { try top.makeLink(name, target: [0x61], modifiedNS: nil, replacing: true) } == .badPath)
    #expect(code { try top.setAttributes(of: name, mode: 0, modifiedNS: nil) } == .badPath)
    #expect(code { try top.remove(name, isFolder: true) } == .badPath)
    #expect(code { try top.rename(name, to: top, [0x61], replacing: true) } == .badPath)
    #expect(code { try top.rename([0x61], to: top, name, replacing: true) } == .badPath)
    #expect(code { _ = try Partial.open(for: name, in: top, keeping: false) } == .badPath)
  }

  @Test func attributesAreNeverSetThroughALink() throws {
    let sandbox = try Sandbox()
    try sandbox.link("link", to: "../outside/secret")
    let before = try sandbox.outside()
    let top = try sandbox.top()
    #expect(
      code { try top.setAttributes(of: "link".bytes, mode: 0o777, modifiedNS: nil) } == .unsupported
    )
    try top.setAttributes(of: "link".bytes, mode: nil, modifiedNS: 5)
    #expect(try top.status(of: "link".bytes)?.modifiedNS == 5)
    #expect(try sandbox.outside() == before)
  }
}
