import Glibc
import TelpherFileStore
import TelpherTestSupport
import Testing

@Suite struct PartialTests {
  @Test func fileAppearsOnlyWhenCommitted() throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "old")
    let top = try sandbox.top()
    let partial = try Partial.open(for: "file".bytes, in: top, keeping: false)
    try partial.write("new ")
    try partial.write("text")
    try partial.finish(mode: 0o4640, modifiedNS: 1_000_000_007)
    try partial.sync()
    #expect(sandbox.text("file") == "old")
    try partial.commit(replacing: true)
    #expect(sandbox.text("file") == "new text")
    let status = try #require(try top.status(of: "file".bytes))
    #expect(status.mode == 0o4640)
    #expect(status.modifiedNS == 1_000_000_007)
    #expect(try top.names() == ["file".bytes])
  }

  @Test func partialIsHiddenAndPrivate() throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    let partial = try Partial.open(for: "file".bytes, in: top, keeping: false)
    let name = try #require(try top.names().first)
    #expect(String(decoding: name, as: UTF8.self) == ".telpher.\(fileDigest).0.partial")
    #expect(Partial.isPartial(name))
    #expect(try top.status(of: name)?.mode == 0o600)
    partial.discard()
    #expect(try top.names().isEmpty)
  }

  @Test(arguments: [
    "", ".telpher", ".telpher.0.partial", ".telpher.\(fileDigest).8.partial",
    ".telpher.\(fileDigest).0.parts", ".telpher.\(fileDigest.uppercased()).0.partial",
    "telpher.\(fileDigest).0.partial", ".telpher.\(fileDigest).0.partial~",
    ".telpher.\(fileDigest)0.0.partial", ".telpher.\(fileDigest).", ".telpher.\(fileDigest)",
  ])
  func otherNamesAreNotPartials(name: String) {
    #expect(!Partial.isPartial(name.bytes))
  }

  @Test func emptyFileIsStored() throws {
    let sandbox = try Sandbox()
    let partial = try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: false)
    try partial.finish(mode: 0o644, modifiedNS: nil)
    try partial.commit(replacing: false)
    #expect(sandbox.text("file") == "")
  }

  @Test func brokenOffTransferIsResumed() throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    do {
      let partial = try Partial.open(for: "file".bytes, in: top, keeping: true)
      #expect(partial.kept == 0)
      try partial.write("half")
    }
    let partial = try Partial.open(for: "file".bytes, in: top, keeping: true)
    #expect(partial.kept == 4)
    #expect(partial.position == 4)
    #expect(try partial.text() == "half")
    try partial.write(" and half")
    try partial.finish(mode: 0o644, modifiedNS: nil)
    try partial.commit(replacing: true)
    #expect(sandbox.text("file") == "half and half")
    #expect(try top.names().count == 1)
  }

  @Test func restartDropsKeptBytes() throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    try Partial.open(for: "file".bytes, in: top, keeping: true).write("12345678")
    let kept = try Partial.open(for: "file".bytes, in: top, keeping: true)
    try kept.restart()
    #expect(kept.position == 0)
    #expect(try kept.text() == "")
    try kept.write("1234")
    kept.discard()
    try Partial.open(for: "file".bytes, in: top, keeping: false).write("ab")
    let dropped = try Partial.open(for: "file".bytes, in: top, keeping: false)
    #expect(dropped.kept == 0)
    #expect(try dropped.text() == "")
  }

  /// Old bytes must not appear in a hole or after the end.
  @Test func bytesAfterASmallerPositionAreDropped() throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    try Partial.open(for: "file".bytes, in: top, keeping: true).write("0123456789")
    let partial = try Partial.open(for: "file".bytes, in: top, keeping: true)
    partial.position = 2
    partial.skip(2)
    try partial.write("x")
    partial.skip(1)
    try partial.finish(mode: 0o644, modifiedNS: nil)
    try partial.commit(replacing: true)
    #expect(sandbox.text("file") == "01\0\0x\0")
    try Partial.open(for: "end".bytes, in: top, keeping: true).write("0123456789")
    let shorter = try Partial.open(for: "end".bytes, in: top, keeping: true)
    shorter.position = 3
    try shorter.finish(mode: 0o644, modifiedNS: nil)
    try shorter.commit(replacing: true)
    #expect(sandbox.text("end") == "012")
  }

  @Test func simultaneousTransfersUseSeparateFiles() throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    var partials: [Partial] = []
    for index in 0..<8 {
      partials.append(try Partial.open(for: "file".bytes, in: top, keeping: true))
      try partials[index].write("\(index)")
    }
    #expect(try top.names().count == 8)
    let error = #expect(throws: FileError.self) {
      try Partial.open(for: "file".bytes, in: top, keeping: true)
    }
    #expect(error?.code == .busy)
    #expect(
      error?.message
        == "cannot write 'file': 8 transfers of it are running; try again when one has ended")
    partials.remove(at: 3)
    let again = try Partial.open(for: "file".bytes, in: top, keeping: true)
    #expect(try again.text() == "3")
    for partial in partials {
      try partial.finish(mode: 0o600, modifiedNS: nil)
      try partial.commit(replacing: true)
    }
    #expect(sandbox.text("file") == "7")
  }

  /// The destination is always the complete file of one transfer.
  @Test func threadsThatStoreTheSameNameDoNotMix() async throws {
    let sandbox = try Sandbox()
    let folder = try sandbox.top()
    await withTaskGroup(of: Void.self) { group in
      for thread in 0..<4 {
        group.addTask {
          for _ in 0..<200 {
            do {
              let partial = try Partial.open(for: "file".bytes, in: folder, keeping: false)
              try partial.write(String(repeating: "\(thread)", count: 3))
              try partial.write(String(repeating: "\(thread)", count: 4))
              try partial.finish(mode: 0o644, modifiedNS: nil)
              try partial.commit(replacing: true)
            } catch { Issue.record(error) }
            let text = sandbox.text("file") ?? ""
            #expect(text.count == 7 && Set(text).count == 1)
          }
        }
      }
    }
    #expect(try folder.names() == ["file".bytes])
  }

  @Test func existingFileIsKeptUnlessReplacing() throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "old")
    let partial = try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: false)
    try partial.finish(mode: 0o644, modifiedNS: nil)
    let error = #expect(throws: FileError.self) { try partial.commit(replacing: false) }
    #expect(error?.code == .exists)
    #expect(error?.message == "cannot write 'file': the destination exists already")
    #expect(sandbox.text("file") == "old")
    try partial.commit(replacing: true)
    #expect(sandbox.text("file") == "")
  }

  @Test func folderIsNotReplacedByAFile() throws {
    let sandbox = try Sandbox()
    try sandbox.makeFolder("a")
    try sandbox.makeFolder("a/b")
    let partial = try Partial.open(for: "b".bytes, in: sandbox.root.folder("a"), keeping: false)
    try partial.finish(mode: 0o644, modifiedNS: nil)
    let error = #expect(throws: FileError.self) { try partial.commit(replacing: true) }
    #expect(error?.code == .notAFile)
    #expect(error?.message == "cannot write 'a/b': the destination is a folder")
    #expect(error?.path == "a/b")
  }

  @Test func linkIsReplacedAndNotFollowed() throws {
    let sandbox = try Sandbox()
    try sandbox.link("link", to: "../outside/secret")
    let before = try sandbox.outside()
    let partial = try Partial.open(for: "link".bytes, in: sandbox.top(), keeping: false)
    try partial.write("new")
    try partial.finish(mode: 0o644, modifiedNS: nil)
    try partial.commit(replacing: true)
    #expect(try sandbox.top().status(of: "link".bytes)?.kind == .file)
    #expect(try sandbox.outside() == before)
  }

  /// Another user may put files at the hidden names. They are not written to.
  @Test func plantedPartialsAreNotUsed() throws {
    let sandbox = try Sandbox()
    let names = (0..<8).map { ".telpher.\(fileDigest).\($0).partial" }
    try sandbox.link(names[0], to: "../outside/secret")
    try check(
      link("\(sandbox.path)/outside/secret", sandbox.inside(names[1])), "link")
    try check(mkfifo(sandbox.inside(names[2]), 0o666), "mkfifo")
    try sandbox.makeFolder(names[3])
    try sandbox.makeSocket(names[4])
    try sandbox.link(names[5], to: "nothing")
    let before = try sandbox.outside()
    let partial = try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: false)
    try partial.write("text")
    #expect(sandbox.text(names[6]) == "text")
    try sandbox.makeFolder(names[7])
    // If all eight names are taken by other files, a random name is used.
    let another = try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: true)
    try another.write("another")
    try another.finish(mode: 0o644, modifiedNS: nil)
    try another.commit(replacing: false)
    #expect(sandbox.text("file") == "another")
    #expect(sandbox.text(names[6]) == "text")
    #expect(try sandbox.outside() == before)
  }

  /// A file with a second name is not a partial, so a lock on it does not prevent a transfer.
  @Test func plantedAndLockedPartialsDoNotPreventATransfer() throws {
    let sandbox = try Sandbox()
    var planted: [Int32] = []
    defer { for descriptor in planted { close(descriptor) } }
    for slot in 0..<8 {
      let name = ".telpher.\(fileDigest).\(slot).partial"
      try sandbox.write(name, "planted")
      try check(link(sandbox.inside(name), sandbox.inside("second\(slot)")), "link")
      planted.append(open(sandbox.inside(name), O_RDONLY))
      try check(flock(planted[slot], LOCK_EX | LOCK_NB), "flock")
    }
    let partial = try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: false)
    try partial.write("text")
    try partial.finish(mode: 0o644, modifiedNS: nil)
    try partial.commit(replacing: false)
    #expect(sandbox.text("file") == "text")
    for slot in 0..<8 { #expect(sandbox.text("second\(slot)") == "planted") }
  }

  @Test func ninthTransferOfANameIsRefused() throws {
    let sandbox = try Sandbox()
    let others = try (0..<8).map { _ in
      try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: false)
    }
    let error = #expect(throws: FileError.self) {
      try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: false)
    }
    #expect(
      error?.message
        == "cannot write 'file': 8 transfers of it are running; try again when one has ended")
    others.forEach { $0.discard() }
  }

  @Test func onlyStalePartialsAreRemoved() throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    try Partial.open(for: "stale".bytes, in: top, keeping: false).write("x")
    try sandbox.link(".telpher.\(fileDigest).0.link", to: "x")
    try sandbox.write(".telpher.notours.0.partial", "")
    let going = try Partial.open(for: "going".bytes, in: top, keeping: false)
    Partial.removeStale(in: top, olderThan: 3600)
    #expect(try top.names().count == 4)
    // A negative age is a time in the future, so all partials are older.
    Partial.removeStale(in: top, olderThan: -3600)
    let left = try top.names().map { String(decoding: $0, as: UTF8.self) }
    #expect(left.count == 2)
    #expect(left.contains(".telpher.notours.0.partial"))
    try going.finish(mode: 0o600, modifiedNS: nil)
    try going.commit(replacing: false)
  }

  @Test func filesMayBeLargerThanFourGibibytes() throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    let partial = try Partial.open(for: "big".bytes, in: top, keeping: false)
    partial.skip(5 << 30)
    try partial.write("far")
    partial.skip(1 << 30)
    try partial.finish(mode: 0o644, modifiedNS: nil)
    try partial.commit(replacing: true)
    let file = try top.openFile("big".bytes)
    #expect(file.status.size == (6 << 30) + 3)
    #expect(file.status.allocated < 1 << 20)
    #expect(try file.text(at: 5 << 30, count: 3) == "far")
    #expect(try file.text(at: (6 << 30) + 3) == "")
  }
}

/// The xxh128 of "file".
private let fileDigest = "f7f3387d17298c1b8947c03f40451220"
