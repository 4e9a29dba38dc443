import FoundationEssentials
import Glibc
import Testing

/// The keys of `run --json` that these tests check.
private struct Report: Decodable {
  var result: String
  var cause: String
  var status: Int
  var message: String?

  init(_ finished: Finished) throws {
    self = try JSONDecoder().decode(Report.self, from: Data(finished.output))
  }
}

struct LimitTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func aCommandWhoseProcessorTimeIsUsedUpEndsWithTheReason() async throws {
    let result = try await sandbox.telpher(
      "run", "--cpu-time", "1s", "--", "sh", "-c", "while :; do :; done")
    #expect(result.status == 128 + SIGXCPU)
    #expect(
      result.errorText == "telpher: killed: its processor time is used up (limit 1 s)\n")
  }

  @Test func aCommandThatWritesTooMuchEndsWithTheReason() async throws {
    let file = sandbox.folder + "/big"
    let result = try await sandbox.telpher(
      "run", "--json", "--file-size", "1M", "--", "sh", "-c",
      "exec head -c 2000000 /dev/zero >\(file)")
    let report = try Report(result)
    #expect(result.status == 128 + SIGXFSZ)
    #expect(report.cause == "file_size")
    #expect(
      report.message == "killed: it wrote a file beyond the largest size (limit 1 MiB)")
    var status = stat()
    #expect(stat(file, &status) == 0 && status.st_size == 1 << 20)
  }

  @Test func eachOptionReachesTheCommand() async throws {
    let result = try await sandbox.telpher(
      "run", "--open-files", "33", "--nice", "19", "--address-space", "1G", "--cpu-time", "50",
      "--file-size", "1M", "--", "sh", "-c", "ulimit -n; nice; ulimit -v; ulimit -t; ulimit -f")
    #expect(result.text == "33\n19\n1048576\n50\n2048\n")
    #expect(result.status == 0)
  }

  @Test func causesOfOtherEndsAreInTheReport() async throws {
    for (arguments, cause) in [
      (["--", "true"], "exit"), (["--", "sh", "-c", "kill -9 $$"], "signal"),
      (["--timeout", "50ms", "--", "sleep", "60"], "deadline"), (["--", "/none"], "not_started"),
    ] {
      let result = try await sandbox.start(["run", "--json"] + arguments).finish()
      #expect(try Report(result).cause == cause)
    }
  }

  @Test func aMistakeInALimitIsExplained() async throws {
    let result = try await sandbox.telpher("run", "--memory", "lots", "--", "true")
    #expect(result.status == 125)
    #expect(result.errorText.contains("'lots' is not a size"))
    let server = try await sandbox.telpher("serve", "--limit", "speed=3")
    #expect(server.status == 64)
    #expect(server.errorText.contains("there is no limit 'speed'"))
    let twice = try await sandbox.telpher("serve", "--limit", "nice=3", "--limit", "nice=4")
    #expect(twice.errorText.contains("--limit nice is given twice"))
  }
}
