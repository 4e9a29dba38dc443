import CTelpherSys
import Glibc
import TelpherFileStore
import TelpherTestSupport
import Testing

/// Each test runs in a separate process, because it changes state of the whole process.
@Suite struct ExhaustionTests {
  @Test(.enabled(if: SmallFileSystem.mayMount, "only root may mount a small tmpfs"))
  func fullFileSystemIsReported() async {
    await #expect(processExitsWith: .success) {
      let sandbox = try Sandbox()
      try sandbox.makeFolder("small")
      try SmallFileSystem.mount(at: sandbox.inside("small"))
      defer { try? SmallFileSystem.unmount(sandbox.inside("small")) }
      try sandbox.write("small/file", "old")
      // A root that was opened before does not see the new mount.
      let root = try Root(sandbox.inside(""))
      let folder = try root.folder("small")
      let partial = try Partial.open(for: "file".bytes, in: folder, keeping: false)
      let chunk = [UInt8](repeating: 7, count: 300_000)
      let error = #expect(throws: FileError.self) {
        for _ in 0..<10 { try chunk.withUnsafeBytes { try partial.write($0) } }
      }
      #expect(error?.code == .noSpace)
      #expect(error?.message == "cannot write 'small/file': No space left on device")
      // The part that fitted is kept and counted.
      let position = partial.position
      #expect(position > 700_000 && position < 1 << 20)
      #expect(sandbox.text("small/file") == "old")
      partial.discard()
      #expect(try folder.names() == ["file".bytes])
      let next = try Partial.open(for: "file".bytes, in: folder, keeping: false)
      try next.write("new")
      try next.finish(mode: 0o644, modifiedNS: nil)
      try next.commit(replacing: true)
      #expect(sandbox.text("small/file") == "new")
      // A rename to another file system fails.
      let moved = #expect(throws: FileError.self) {
        try root.move("small/file", to: "file", replacing: true)
      }
      #expect(moved?.code == .unsupported)
      #expect(
        moved?.message == "cannot rename 'small/file' to 'file': it is on another file system")
    }
  }

  /// SIGXFSZ is ignored, as the server does, so that the limit gives an error and does not end the
  /// process.
  @Test func fileBeyondTheSizeLimitIsRefused() async {
    await #expect(processExitsWith: .success) {
      let sandbox = try Sandbox()
      signal(SIGXFSZ, SIG_IGN)
      try check(telpher_set_soft_limit(telpher_limit_fsize, 10), "setrlimit")
      let partial = try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: false)
      let error = #expect(throws: FileError.self) { try partial.write("0123456789abc") }
      #expect(error?.code == .tooLarge)
      #expect(partial.position == 10)
      partial.skip(10)
      #expect(code { try partial.finish(mode: 0o600, modifiedNS: nil) } == .tooLarge)
    }
  }

  @Test func deepTreeNeedsFewDescriptors() async {
    await #expect(processExitsWith: .success) {
      let sandbox = try Sandbox()
      let way = Array(repeating: "d", count: 400).joined(separator: "/")
      try sandbox.root.makeFolder(RelativePath(way), mode: 0o755, withParents: true)
      for depth in stride(from: 1, to: 400, by: 7) {
        try sandbox.write(String(way.prefix(2 * depth)) + "x", "")
      }
      try check(telpher_set_soft_limit(telpher_limit_nofile, 64), "setrlimit")
      for _ in 0..<3 {
        var walker = TreeWalker(root: sandbox.root, start: .root)
        var entries = 0
        while let step = walker.next() {
          if case .failed(_, let error) = step { Issue.record(error) }
          if case .entry = step { entries += 1 }
        }
        #expect(entries == 400 + 57)
      }
      try sandbox.root.remove("d", recursively: true)
      #expect(try sandbox.top().names().isEmpty)
      // All descriptors are closed again.
      for _ in 0..<1000 {
        _ = try? sandbox.root.folder("none")
        try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: true).write("x")
        #expect(code { _ = try sandbox.top().openFile("none".bytes) } == .notFound)
        Partial.removeStale(in: try sandbox.top(), olderThan: -10)
      }
      #expect(try sandbox.top().names().isEmpty)
    }
  }
}
