import Glibc
import TelpherFileStore
import TelpherTestSupport
import Testing

@Suite struct TreeTests {
  @Test func folderComesBeforeItsContents() throws {
    let sandbox = try Sandbox()
    for folder in ["a", "a/empty", "b", "b/deep", "B"] { try sandbox.makeFolder(folder) }
    for file in ["a/2", "a/10", "b/deep/file", "a.txt", "z"] { try sandbox.write(file, "") }
    try sandbox.link("b/up", to: "..")
    try sandbox.link("link", to: "a")
    #expect(
      steps(TreeWalker(root: sandbox.root, start: .root)) == [
        "B/", "leave B", "a/", "a/10", "a/2", "a/empty/", "leave a/empty", "leave a", "a.txt",
        "b/", "b/deep/", "b/deep/file", "leave b/deep", "b/up -> ..", "leave b", "link -> a", "z",
      ])
    #expect(
      steps(TreeWalker(root: sandbox.root, start: "b")) == [
        "b/deep/", "b/deep/file", "leave b/deep", "b/up -> ..",
      ])
    #expect(
      steps(TreeWalker(root: sandbox.root, start: "link")) == [
        "link/10", "link/2", "link/empty/", "leave link/empty",
      ])
  }

  @Test func startThatIsNotAFolderFails() throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "")
    try sandbox.link("out", to: "../outside")
    try sandbox.makeFolder("empty")
    for (start, step) in [
      ("file", "failed file: not a folder"), ("none", "failed none: not found"),
      ("out", "failed out: bad path"),
    ] {
      #expect(steps(TreeWalker(root: sandbox.root, start: try RelativePath(start))) == [step])
    }
    #expect(steps(TreeWalker(root: sandbox.root, start: "empty")) == [])
  }

  @Test func partialsAreLeftOut() throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "")
    let partial = try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: false)
    #expect(steps(TreeWalker(root: sandbox.root, start: .root)) == ["file"])
    partial.discard()
  }

  @Test func namesMayHaveAnyBytes() throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    try top.makeFolder([0xFF, 0x0A], mode: 0o755)
    try top.folder([0xFF, 0x0A]).makeFolder([0x80], mode: 0o755)
    var walker = TreeWalker(root: sandbox.root, start: .root)
    var paths: [[UInt8]] = []
    while let step = walker.next() {
      if case .entry(let path, _, _) = step { paths.append(path.bytes) }
    }
    #expect(paths == [[0xFF, 0x0A], [0xFF, 0x0A, 0x2F, 0x80]])
  }

  /// A tree that is deeper than the process may open files, with an entry after each folder.
  @Test func treeMayBeDeeperThanTheDescriptorLimit() throws {
    let sandbox = try Sandbox()
    let depth = 1500
    try sandbox.dig(depth: depth)
    var walker = TreeWalker(root: sandbox.root, start: .root)
    var entered = 0
    var left = 0
    var links = 0
    var expected: RelativePath = .root
    while let step = walker.next() {
      switch step {
      case .entry(let path, let status, let link):
        if status.kind == .folder {
          entered += 1
          expected = try expected.appending("d".bytes)
          #expect(path == expected)
        } else {
          links += 1
          #expect(link == "x".bytes)
          #expect(path.parent == expected)
        }
      case .leave(let path):
        left += 1
        #expect(path == expected)
        expected = expected.parent
      case .failed(let path, let error): Issue.record("\(path): \(error)")
      }
    }
    #expect(entered == depth && left == depth && links == depth)
    try sandbox.root.remove("d", recursively: true)
    #expect(try sandbox.top().names() == ["x".bytes])
  }

  /// The kernel accepts paths of at most 4,095 bytes.
  @Test func treeMayBeDeeperThanTheLongestPath() throws {
    let sandbox = try Sandbox()
    try sandbox.dig(depth: 2500)
    var walker = TreeWalker(root: sandbox.root, start: .root)
    var entered = 0
    var left = 0
    var failures: Set<FileError.Code> = []
    while let step = walker.next() {
      switch step {
      case .entry(_, let status, _): entered += status.kind == .folder ? 1 : 0
      case .leave: left += 1
      case .failed(_, let error): failures.insert(error.code)
      }
    }
    #expect(entered == 2048 && left == 2048 && failures == [.badPath])
    try sandbox.root.remove("d", recursively: true)
    #expect(try sandbox.top().names() == ["x".bytes])
  }

  /// A folder that vanishes while the walk is in it is reported, and the walk continues.
  @Test func folderRemovedDuringAWalkIsReported() throws {
    let sandbox = try Sandbox()
    for folder in ["a", "a/b", "c"] { try sandbox.makeFolder(folder) }
    try sandbox.write("c/file", "")
    var walker = TreeWalker(root: sandbox.root, start: .root)
    var found: [String] = []
    while let step = walker.next() {
      found.append(describe(step))
      if found.last == "a/" { try sandbox.root.remove("a", recursively: true) }
    }
    #expect(found == ["a/", "failed a: not found", "leave a", "c/", "c/file", "leave c"])
  }

  /// A folder is replaced by a symlink just before the walk enters it.
  @Test func folderReplacedByALinkIsNotEntered() throws {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("a")
    var walker = TreeWalker(root: sandbox.root, start: .root)
    let first = walker.next()
    var found = [describe(try #require(first))]
    try sandbox.root.remove("a", recursively: false)
    try sandbox.link("a", to: "../outside")
    while let step = walker.next() { found.append(describe(step)) }
    #expect(found == ["a/", "failed a: not a folder", "leave a"])
  }

  private func steps(_ walker: TreeWalker) -> [String] {
    var walker = walker
    var steps: [String] = []
    while let step = walker.next() { steps.append(describe(step)) }
    return steps
  }

  private func describe(_ step: TreeWalker.Step) -> String {
    switch step {
    case .entry(let path, let status, let link):
      "\(path)" + (status.kind == .folder ? "/" : "")
        + (link.map { " -> " + String(decoding: $0, as: UTF8.self) } ?? "")
    case .leave(let path): "leave \(path)"
    case .failed(let path, let error): "failed \(path): \(error.code)"
    }
  }
}

extension Sandbox {
  /// Nested folders `d`, and a link `x` after each.
  fileprivate func dig(depth: Int) throws {
    var folder = try top()
    for _ in 0..<depth {
      try folder.makeFolder("d".bytes, mode: 0o755)
      try folder.makeLink("x".bytes, target: "x".bytes, modifiedNS: nil, replacing: false)
      folder = try folder.folder("d".bytes)
    }
  }
}
