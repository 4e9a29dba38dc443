import FoundationEssentials
import Testing

/// The keys of the report that these tests check.
private struct Report: Decodable {
  var result: String
  var code: Int?
  var signal: Int?
  var status: Int
  var message: String?
  var stdout: String?
  var stderr: String?
  var stdoutBase64: String?
  var bytes: [String: Int]?
  var wallMS: Double?
  var rusage: [String: Double]?
  var pipeHeld: Bool?

  enum CodingKeys: String, CodingKey {
    case result, code, signal, status, message, stdout, stderr, bytes, rusage
    case stdoutBase64 = "stdout_base64"
    case wallMS = "wall_ms"
    case pipeHeld = "pipe_held"
  }

  init(_ finished: Finished) throws {
    self = try JSONDecoder().decode(Report.self, from: Data(finished.output))
  }
}

struct RunJSONTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func oneObjectHasResultAndOutput() async throws {
    let finished = try await sandbox.telpher(
      "run", "--json", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    let report = try Report(finished)
    #expect(finished.status == 3)
    #expect(finished.error.isEmpty)
    #expect(report.result == "exited" && report.code == 3 && report.status == 3)
    #expect(report.stdout == "out\n" && report.stderr == "err\n")
    #expect(report.bytes == ["1": 4, "2": 4])
    #expect(try #require(report.wallMS) > 0)
    #expect(try #require(report.rusage?["user_ms"]) >= 0)
  }

  @Test func outputThatIsNotUTF8IsInBase64() async throws {
    let report = try Report(
      try await sandbox.telpher("run", "--json", "--", "printf", #"\377\000"#))
    #expect(report.stdout == nil)
    #expect(report.stdoutBase64 == "/wA=")
  }

  @Test func signalsAndTimeoutsAreReported() async throws {
    let signaled = try await sandbox.telpher("run", "--json", "--", "sh", "-c", "kill -9 $$")
    #expect(try Report(signaled).signal == 9)
    #expect(signaled.status == 137)
    let late = try await sandbox.telpher(
      "run", "--json", "--timeout", "100ms", "--", "sh", "-c", "echo x; sleep 60")
    #expect(try Report(late).result == "timed_out")
    #expect(try Report(late).stdout == "x\n")
    #expect(late.status == 124)
  }

  @Test func aHeldOutputIsReported() async throws {
    let report = try Report(
      try await sandbox.telpher("run", "--json", "--", "sh", "-c", "sleep 60 & echo x"))
    #expect(report.result == "exited" && report.stdout == "x\n" && report.pipeHeld == true)
  }

  @Test func failuresOfTelpherAreObjectsToo() async throws {
    let missing = try await sandbox.telpher("run", "--json", "--", "no-such-command")
    #expect(try Report(missing).result == "not_started")
    #expect(missing.status == 127)
    let unreachable = try await sandbox.telpher(
      "run", "--json", "--on", "unix:/no/such.sock", "--", "true")
    #expect(try Report(unreachable).result == "unreachable")
    #expect(try Report(unreachable).message?.isEmpty == false)
    #expect(unreachable.status == 125)
  }

  @Test func tooMuchOutputIsAnError() async throws {
    let finished = try await sandbox.telpher(
      "run", "--json", "--", "head", "-c", "70000000", "/dev/zero")
    #expect(try Report(finished).result == "output_limit")
    #expect(finished.status == 125)
  }
}
