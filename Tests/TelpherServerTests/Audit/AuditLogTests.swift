import Glibc
import TelpherJSON
import TelpherTestSupport
import TelpherText
import TelpherWire
import Testing

@testable import TelpherServer

@Suite(.timeLimit(.minutes(15))) struct AuditLogTests {
  private let sandbox: Sandbox
  private var path: String { sandbox.inside("audit") }

  init() throws { sandbox = try Sandbox() }

  private func records(_ name: String = "audit") throws -> [AuditRecord] {
    let lines = (sandbox.text(name) ?? "").split(separator: "\n")
    return try lines.map { try JSONDecoding.decode(AuditRecord.self, from: Array($0.utf8)) }
  }

  @Test func eachConnectionAndOperationHasALineAtItsStartAndItsEnd() async throws {
    let log = try AuditLog(.file(path), isRequired: true)
    try await Fixture.inMemory(configure: { $0.audit = log }) { fixture in
      let program = fixture.puppet()
      let client = try await fixture.client()
      await client.send(
        puppet(1, #""env":{"SECRET":"s3cret"}"#), open(3, #"{"op":"info"}"#),
        open(5, #"{"op":"stat","path":"/a"}"#))
      await program.started()
      await program.exit(3)
      for stream in [1, 3, 5] as [UInt32] { _ = try await client.result(stream) }
      await client.close()
    }
    let records = try records()
    #expect(records.first?.event == .connect)
    #expect(records.last?.event == .disconnect)
    #expect(records.allSatisfy { $0.identity == "owner" && $0.pid == getpid() })
    let run = records.filter { $0.stream == 1 }
    #expect(run.map(\.event) == [.start, .end])
    #expect(run.first?.argv == ["puppet"])
    #expect(run.last?.result == "exited")
    #expect(run.last?.code == 3)
    let file = records.filter { $0.stream == 5 }
    #expect(file.first?.op == "stat" && file.first?.target == "/a")
    #expect(file.last?.result == "refused")
    #expect(records.filter { $0.stream == 3 }.map(\.event) == [.start, .end])
    #expect(sandbox.text("audit")?.contains("s3cret") == false)
  }

  @Test func aLongRequestIsCut() async throws {
    let log = try AuditLog(.file(path), isRequired: true)
    let long = String(repeating: "x", count: 1 << 20)
    let words = Array(repeating: #""y""#, count: 100_000).joined(separator: ",")
    try await Fixture.inMemory(configure: {
      $0.audit = log
      $0.runsCommands = false
    }) { fixture in
      let client = try await fixture.client()
      await client.send(open(1, #"{"op":"run","argv":["\#(long)","z"]}"#))
      await client.send(open(3, #"{"op":"run","argv":[\#(words)]}"#))
      await client.send(open(5, #"{"op":"run","shell":"\#(long)","cwd":"/a"}"#))
      for stream in [1, 3, 5] as [UInt32] { _ = try await client.result(stream) }
      await client.close()
    }
    let starts = try records().filter { $0.event == .start }
    #expect(starts.map(\.op) == ["run", "run", "run"])
    #expect(starts[0].argv?.map(\.bytes.count) == [16 << 10])
    #expect(starts[0].cut == (1 << 20) - (16 << 10) + 1)
    #expect(starts[1].argv.map { (500...2_000).contains($0.count) } == true)
    #expect(starts[2].shell?.bytes.count == 16 << 10)
    #expect((sandbox.text("audit") ?? "").utf8.count < 200 << 10)
  }

  @Test(arguments: [
    #"{"op":"erase"}"#, #"{"op":"run"}"#, #"{"argv":["a"]}"#, "nonsense",
    #"{"op":"kill","job":"\#(String(repeating: "a", count: 1_000))"}"#,
    #"{"op":"\#(String(repeating: "b", count: 100_000))"}"#,
  ])
  func aRequestThatCannotBeReadHasARecord(_ request: String) async throws {
    let log = try AuditLog(.file(path), isRequired: true)
    try await Fixture.inMemory(configure: { $0.audit = log }) { fixture in
      let client = try await fixture.client()
      await client.send(open(7, request))
      #expect(try await client.result(7).contains("refused"))
      await client.close()
    }
    let refused = try records().filter { $0.stream == 7 }
    #expect(refused.map(\.event) == [.end])
    #expect(refused.first?.result == "refused")
    let length = refused.first?.message?.utf8.count ?? 0
    #expect((1...AuditRecord.maxMessageBytes).contains(length))
  }

  private func record(_ identity: String) -> AuditRecord {
    AuditRecord(
      time: AuditRecord.now(), event: .connect, connection: 1, pid: 1, identity: identity,
      proof: "key", source: "here")
  }

  @Test func aFileThatWasRenamedIsMadeAnew() throws {
    let log = try AuditLog(.file(path), isRequired: false)
    try log.append(record("1"))
    #expect(rename(path, path + ".old") == 0)
    try log.append(record("2"))
    #expect(try records("audit.old").map(\.identity) == ["1"])
    #expect(try records().map(\.identity) == ["2"])
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(rename(path, path + ".old") == 0)
    try log.reopen()
    #expect(try records().isEmpty)
  }

  @Test func aFileThatCannotBeMadeIsReported() throws {
    #expect(throws: AuditLog.Failure.self) {
      try AuditLog(.file(sandbox.inside("none/audit")), isRequired: false)
    }
    try check(mkfifo(path, 0o600), "mkfifo")
    #expect(throws: AuditLog.Failure.self) { try AuditLog(.file(path), isRequired: false) }
  }

  /// Whether a command runs after the file can't be written any more.
  private func runs(isRequired: Bool) async throws -> Bool {
    try sandbox.makeFolder("sub")
    let log = try AuditLog(.file(sandbox.inside("sub/audit")), isRequired: isRequired)
    var result = ""
    try await Fixture.inMemory(configure: { $0.audit = log }) { fixture in
      let program = fixture.puppet()
      let client = try await fixture.client()
      #expect(rename(sandbox.inside("sub"), sandbox.inside("gone")) == 0)
      await client.send(puppet(1))
      if !isRequired {
        await program.started()
        await program.exit(0)
      }
      result = try await client.result(1)
      #expect(await program.starts == (isRequired ? 0 : 1))
    }
    return !result.contains("--audit-required")
  }

  @Test func requiredRecordsThatCannotBeWrittenRefuseTheOperation() async throws {
    #expect(try await !runs(isRequired: true))
  }

  @Test func otherRecordsThatCannotBeWrittenRefuseNothing() async throws {
    #expect(try await runs(isRequired: false))
  }
}
