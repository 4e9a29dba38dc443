import Glibc
import TelpherFileStore
import TelpherTestSupport
import Testing

@Suite struct SourceFileTests {
  @Test func readsFromAnywhere() throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "0123456789")
    let file = try sandbox.top().openFile("file".bytes)
    #expect(try file.text(at: 0, count: 4) == "0123")
    #expect(try file.text(at: 8, count: 4) == "89")
    #expect(try file.text(at: 10, count: 4) == "")
    #expect(try file.text(at: 1 << 40, count: 4) == "")
    #expect(file.status.size == 10)
  }

  @Test func emptyFilesHaveNoData() throws {
    let sandbox = try Sandbox()
    try sandbox.write("empty", "")
    let file = try sandbox.top().openFile("empty".bytes)
    #expect(try file.data(from: 0) == nil)
    #expect(try file.text() == "")
    try file.checkUnchanged()
  }

  @Test func filesWithoutHolesAreAllData() throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "0123456789")
    let file = try sandbox.top().openFile("file".bytes)
    #expect(try file.data(from: 0) == 0..<10)
    #expect(try file.data(from: 4) == 4..<10)
    #expect(try file.data(from: 10) == nil)
  }

  @Test func holesAreNotData() throws {
    let sandbox = try Sandbox()
    let partial = try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: false)
    partial.skip(5 << 30)
    try partial.write("far")
    partial.skip(1 << 30)
    try partial.write("end")
    partial.skip(1 << 20)
    try partial.finish(mode: 0o600, modifiedNS: nil)
    try partial.commit(replacing: false)
    let file = try sandbox.top().openFile("file".bytes)
    let first = try #require(try file.data(from: 0))
    #expect(first.contains(5 << 30) && first.count < 1 << 20)
    let second = try #require(try file.data(from: first.upperBound))
    #expect(second.contains((6 << 30) + 3) && second.count < 1 << 20)
    #expect(try file.data(from: second.upperBound) == nil)
  }

  @Test func fileOfOneHoleHasNoData() throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "")
    try check(truncate(sandbox.inside("file"), 1 << 33), "truncate")
    let file = try sandbox.top().openFile("file".bytes)
    #expect(try file.data(from: 0) == nil)
    #expect(try file.data(from: 1 << 32) == nil)
  }

  @Test(arguments: ["grows", "shrinks", "is written over", "gets another time"])
  func changeWhileReadingIsDetected(how: String) throws {
    let sandbox = try Sandbox()
    try sandbox.write("file", "0123456789")
    // Give the file an old time, so that a change is visible even if the clock has coarse steps.
    try sandbox.top().setAttributes(of: "file".bytes, mode: nil, modifiedNS: 1)
    let file = try sandbox.top().openFile("file".bytes)
    try file.checkUnchanged()
    switch how {
    case "grows": try check(truncate(sandbox.inside("file"), 11), "truncate")
    case "shrinks": try check(truncate(sandbox.inside("file"), 9), "truncate")
    case "is written over": try sandbox.write("file", "9876543210")
    default: try sandbox.top().setAttributes(of: "file".bytes, mode: nil, modifiedNS: 2)
    }
    let error = #expect(throws: FileError.self) { try file.checkUnchanged() }
    #expect(error?.code == .changed)
    #expect(error?.message == "cannot read 'file': it changed while it was read")
  }

  @Test func unreadableFileIsReported() throws {
    let sandbox = try Sandbox()
    #expect(code { _ = try sandbox.top().openFile("none".bytes) } == .notFound)
    try sandbox.link("nowhere", to: "none")
    #expect(
      code { _ = try sandbox.top().openFile("nowhere".bytes, followsLink: true) } == .notFound)
  }
}
