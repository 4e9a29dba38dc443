import CTelpherSys
import Glibc
import Synchronization
import TelpherFileStore
import TelpherTestSupport
import Testing

/// While names are resolved, read, written and removed, another thread continuously exchanges files
/// and folders with symlinks that lead out of the root (renameat2 with RENAME_EXCHANGE).
@Suite(.serialized) struct ExchangeRaceTests {
  /// The rounds of a test: thousands, or 30 s. In both cases the other thread gets time to run.
  private func race(
    _ sandbox: Sandbox, exchanging pairs: [(String, String)], times: Int = 2000,
    _ round: () throws -> Void
  ) throws {
    let before = try sandbox.outside()
    let exchanger = Exchanger(sandbox.inside(""), pairs)
    defer { exchanger.stop() }
    let end = Scale.isFull ? time(nil) + 30 : 0
    var rounds = 0
    while rounds < times || exchanger.count < times || time(nil) < end {
      try round()
      rounds += 1
    }
    #expect(try sandbox.outside() == before)
  }

  @Test func exchangedParentFolderNeverLeadsOut() throws {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("a")
    try sandbox.makeFolder("a/b")
    try sandbox.write("a/b/file", "inside")
    try sandbox.link("to-outside", to: "../outside")
    var outcomes: Set<FileError.Code?> = []
    try race(sandbox, exchanging: [("a", "to-outside")]) {
      outcomes.insert(
        code {
          let folder = try sandbox.root.folder("a/b")
          #expect(try folder.openFile("file".bytes).text() == "inside")
          let partial = try Partial.open(for: "new".bytes, in: folder, keeping: true)
          try partial.write("x")
          try partial.finish(mode: 0o600, modifiedNS: 1)
          try partial.commit(replacing: true)
          try folder.remove("new".bytes, isFolder: false)
        })
      for attempt in attempts(sandbox.root) { outcomes.insert(code(attempt)) }
    }
    // Each outcome occurred, so there was a race.
    #expect(outcomes.contains(nil) && outcomes.contains(.badPath))
  }

  /// Operations that would reveal or change something outside the root.
  private func attempts(_ root: Root) -> [() throws -> Void] {
    [
      {
        let names = try root.folder("a").names()
        #expect(Set(names).isSubset(of: ["b".bytes, "made".bytes]))
      },
      { _ = try root.status("a/secret", followsLink: true) },
      { try root.remove("a/secret", recursively: true) },
      { try root.move("a/secret", to: "stolen", replacing: true) },
      { try root.makeFolder("a/made/c", mode: 0o755, withParents: true) },
      { _ = try root.parent(of: "a/secret").openFile("secret".bytes, followsLink: true) },
      { try root.parent(of: "a/secret").setAttributes(of: "secret".bytes, mode: 0, modifiedNS: 0) },
    ]
  }

  @Test func exchangedFileNeverLeadsOut() throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "inside")
    try sandbox.link("to-secret", to: "../outside/secret")
    let top = try sandbox.top()
    var outcomes: Set<FileError.Code?> = []
    try race(sandbox, exchanging: [("file", "to-secret")]) {
      for follows in [false, true] {
        outcomes.insert(
          code {
            let file = try top.openFile("file".bytes, followsLink: follows)
            #expect(try file.text() == "inside")
          })
      }
      _ = try? top.setAttributes(of: "file".bytes, mode: 0o640, modifiedNS: 5)
    }
    #expect(outcomes.isSubset(of: [nil, .notAFile, .badPath]))
    #expect(outcomes.contains(nil) && outcomes.contains(.badPath))
  }

  @Test func walkNeverLeavesTheRoot() throws {
    let sandbox = try Sandbox()
    for folder in ["tree", "tree/a", "tree/a/b"] { try sandbox.makeFolder(folder) }
    try sandbox.write("tree/a/b/file", "")
    try sandbox.link("to-outside", to: "../../outside")
    var seen: Set<RelativePath> = []
    try race(sandbox, exchanging: [("tree/a", "to-outside")]) {
      var walker = TreeWalker(root: sandbox.root, start: "tree")
      while let step = walker.next() {
        if case .entry(let path, _, _) = step { seen.insert(path) }
      }
    }
    #expect(seen.isSubset(of: ["tree/a", "tree/a/b", "tree/a/b/file"]))
    #expect(seen.contains("tree/a/b/file"))
  }

  @Test func removalNeverLeavesTheRoot() throws {
    let sandbox = try Sandbox()
    let root = sandbox.root
    var outcomes: Set<FileError.Code?> = []
    try race(sandbox, exchanging: [("tree/a", "spare"), ("tree/a/b", "spare")], times: 300) {
      _ = try? root.makeFolder("tree/a/b", mode: 0o755, withParents: true)
      _ = try? Partial.open(for: "file".bytes, in: root.folder("tree/a/b"), keeping: true)
        .commit(replacing: true)
      _ = try? root.remove("spare", recursively: true)
      _ = symlink("../outside", sandbox.inside("spare"))
      outcomes.insert(code { try root.remove("tree", recursively: true) })
    }
    #expect(outcomes.contains(nil))
  }
}

/// A thread that exchanges names as fast as it can.
private final class Exchanger: Sendable {
  private let root: String
  private let pairs: [(String, String)]
  private let exchanged = Atomic(0)
  private let isStopped = Atomic(false)
  private let thread = Mutex<pthread_t?>(nil)

  init(_ root: String, _ pairs: [(String, String)]) {
    self.root = root
    self.pairs = pairs
    var made = pthread_t()
    let result = pthread_create(
      &made, nil,
      { context in
        guard let context else { return nil }
        Unmanaged<Exchanger>.fromOpaque(context).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    precondition(result == 0, "a thread can be made")
    thread.withLock { [made] in $0 = made }
  }

  /// How many exchanges were made.
  var count: Int { exchanged.load(ordering: .relaxed) }

  func stop() {
    isStopped.store(true, ordering: .relaxed)
    guard let made = thread.withLock({ $0 }) else { return }
    pthread_join(made, nil)
  }

  private func run() {
    while !isStopped.load(ordering: .relaxed) {
      for (one, other) in pairs {
        if telpher_exchange(AT_FDCWD, root + one, AT_FDCWD, root + other) == 0 {
          exchanged.add(1, ordering: .relaxed)
        }
      }
    }
  }
}
