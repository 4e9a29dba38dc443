import Glibc
import Testing

@testable import TelpherCLI

/// `logs`
struct LogsTests {
  @Test func theOutputSoFarIsPrintedAndThenFollowed() async throws {
    try await Sandbox.withJobs { sandbox in
      let gate = sandbox.folder + "/gate"
      mkfifo(gate, 0o600)
      let job = try await sandbox.startJob(
        "--", "sh", "-c",
        "echo one; echo err >&2; echo two; read line <'\(gate)'; echo $line; exit 7")
      let following = try sandbox.start(["logs", "-f", job])
      #expect(await following.line() == "one")
      #expect(await following.line() == "two")
      // The job still runs.
      let soFar = try await sandbox.telpher("logs", job)
      #expect(soFar.text == "one\ntwo\n")
      #expect(soFar.errorText == "err\n")
      #expect(soFar.status == 0)
      #expect(try await sandbox.shell("echo last >'\(gate)'").status == 0)
      let end = await following.finish()
      #expect(end.text == "last\n")
      // Not the status of the job.
      #expect(end.status == 0)
      #expect(try await sandbox.telpher("logs", "--tail", "1", job).text == "last\n")
      let output = try await sandbox.telpher("logs", "--stdout", job)
      #expect(output.text == "one\ntwo\nlast\n" && output.errorText == "" && output.status == 0)
      let error = try await sandbox.telpher("logs", "--stderr", job)
      #expect(error.text == "" && error.errorText == "err\n" && error.status == 0)
    }
  }

  @Test func eachLineGetsTheTimeAtWhichItBegan() async throws {
    try await Sandbox.withJobs { sandbox in
      let before = Self.now()
      let job = try await sandbox.startJob("--", "sh", "-c", "printf 'a\\n\\nb'; echo c >&2")
      #expect(try await sandbox.telpher("wait", job).status == 0)
      let after = Self.now()
      let result = try await sandbox.telpher("logs", "--timestamps", job)
      let lines = result.text.split(separator: "\n").map { $0.split(separator: " ") }
      #expect(lines.map { $0.dropFirst().joined() } == ["a", "", "b"])
      for time in lines.map({ String($0[0]) }) {
        #expect(TimestampedLines.text(of: before) <= time)
        #expect(time <= TimestampedLines.text(of: after))
      }
      #expect(result.errorText.hasSuffix("Z c\n"))
    }
  }

  @Test(arguments: ["", "--timestamps"])
  func aClosedOutputIs141(_ option: String) async throws {
    try await Sandbox.withJobs { sandbox in
      let job = try await sandbox.startJob("--", "seq", "500000")
      #expect(try await sandbox.telpher("wait", job).status == 0)
      let result = try await sandbox.shell("(telpher logs \(option) \(job); echo $? >&2) | head -1")
      #expect(result.errorText == "141\n")
    }
  }

  @Test func droppedOutputIsReported() async throws {
    try await Sandbox.withJobs { sandbox in
      let job = try await sandbox.startJob("--journal", "1M", "--", "seq", "500000")
      #expect(try await sandbox.telpher("wait", job).status == 0)
      let result = try await sandbox.telpher("logs", job)
      let all = try await sandbox.shell("seq 500000")
      #expect(all.output.suffix(result.output.count) == result.output[...])
      let missing = all.output.count - result.output.count
      #expect(missing > 0)
      #expect(
        result.errorText
          == "telpher: \(missing) bytes of standard output are missing from byte 0 on: the journal was full\n"
      )
    }
  }

  @Test(arguments: ["", "-f"])
  func linesOfBothOutputsWithTimesAreInOrder(_ option: String) async throws {
    try await Sandbox.withJobs { sandbox in
      let id = try await sandbox.startJob(
        "--", "sh", "-c",
        "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.02; echo $i >&2; sleep 0.02; done")
      _ = try await sandbox.telpher("wait", id)
      let result = try await sandbox.shell(
        "\(Sandbox.program) logs \(id) \(option) --timestamps 2>&1")
      #expect(result.status == 0)
      let times = result.text.split(separator: "\n").map { $0.prefix { $0 != " " } }
      #expect(times.count == 20)
      #expect(times == times.sorted())
    }
  }

  @Test func aJobThatDoesNotExistIsAFailure() async throws {
    try await Sandbox.withJobs { sandbox in
      let result = try await sandbox.telpher("logs", "nothing")
      #expect(result.status == 125)
      #expect(result.errorText.contains("there is no job 'nothing'"))
    }
  }

  private static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

struct TimestampedLinesTests {
  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000000000Z"), (-1, "1969-12-31T23:59:59.999999999Z"),
    (1_769_903_999_000_000_001, "2026-01-31T23:59:59.000000001Z"),
  ])
  func timesAreInUTC(time: Int64, text: String) {
    #expect(TimestampedLines.text(of: time) == text)
  }

  @Test func aLineThatComesInPiecesGetsOneTime() {
    var lines = TimestampedLines()
    var text = ""
    for (number, piece) in ["ab", "c\nd", "\n", "\n", "e\n"].enumerated() {
      let bytes = Array(piece.utf8).withUnsafeBytes { lines.mark($0, at: Int64(number)) }
      text += String(decoding: bytes, as: UTF8.self)
    }
    let prefix = "1970-01-01T00:00:00.00000000"
    #expect(text == "\(prefix)0Z abc\n\(prefix)1Z d\n\(prefix)3Z \n\(prefix)4Z e\n")
  }
}

struct ReconnectArgumentTests {
  @Test(arguments: [
    ("run --reconnect=5s -- a", "run --reconnect-for=5s -- a"),
    ("run --reconnect -- a", "run --reconnect -- a"),
    ("run -i --cwd d --reconnect=5s a", "run -i --cwd d --reconnect-for=5s a"),
    ("on h --reconnect=5s a", "on h --reconnect-for=5s a"),
    // The words after the command belong to the command.
    ("run -- a --reconnect=5s", "run -- a --reconnect=5s"),
    ("run a --reconnect=5s", "run a --reconnect=5s"),
    ("run -i a --reconnect=5s", "run -i a --reconnect=5s"),
    ("on h a --reconnect=5s", "on h a --reconnect=5s"),
    ("put --reconnect=5s", "put --reconnect=5s"),
  ])
  func onlyTheOptionOfTelpherItselfIsChanged(line: String, parsed: String) {
    let words = line.split(separator: " ").map(String.init)
    #expect(ReconnectArgument.parsed(words).joined(separator: " ") == parsed)
  }
}
