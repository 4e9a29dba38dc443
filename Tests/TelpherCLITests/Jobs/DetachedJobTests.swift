import Glibc
import Testing

/// `run --detach`, `attach`, `wait` and `jobs`, without a server that was started before.
struct DetachedJobTests {
  @Test func aJobOutlivesItsClientAndServer() async throws {
    try await Sandbox.withJobs { sandbox in
      let gate = sandbox.folder + "/gate"
      mkfifo(gate, 0o600)
      let job = try await sandbox.startJob(
        "--", "sh", "-c", "echo out; echo err >&2; read line <'\(gate)'; echo $line; exit 7")
      let running = try await sandbox.telpher("jobs")
      #expect(running.text.contains(job.prefix(8)))
      #expect(running.text.contains("running"))
      let attached = try sandbox.start(["attach", job])
      #expect(await attached.line() == "out")
      #expect(try await sandbox.shell("echo last >'\(gate)'").status == 0)
      let end = await attached.finish()
      #expect(end.text == "last\n")
      #expect(end.errorText == "err\n")
      #expect(end.status == 7)
      #expect(try await sandbox.telpher("wait", job).status == 7)
      #expect(try await sandbox.telpher("jobs").text == "")
      #expect(try await sandbox.telpher("jobs", "--all").text.contains("exited 7"))
    }
  }

  @Test func outputAndResultOfAJobOutliveTheProcessThatKeptThem() async throws {
    try await Sandbox.withJobs { sandbox in
      let job = try await sandbox.startJob("--", "sh", "-c", "echo kept; exit 3")
      #expect(try await sandbox.telpher("wait", job).status == 3)
      let first = try #require(sandbox.jobHost)
      try await sandbox.endJobHost(by: SIGTERM)
      let again = try await sandbox.telpher("attach", job)
      #expect(again.text == "kept\n")
      #expect(again.status == 3)
      #expect(sandbox.jobHost != first)
    }
  }

  @Test func aCommandThatCannotStartLeavesNoJob() async throws {
    try await Sandbox.withJobs { sandbox in
      let result = try await sandbox.telpher("run", "--detach", "--", "/nonexistent")
      #expect(result.status == 127)
      #expect(result.text == "")
      #expect(try await sandbox.telpher("jobs", "--all").text == "")
    }
  }

  @Test func aJobGetsTheClientsSurroundings() async throws {
    try await Sandbox.withJobs { sandbox in
      let child = try Child(
        [
          Sandbox.program, "run", "--detach", "--env", "B=2", "--", "sh", "-c",
          "pwd; echo $A $B; ulimit -n >/dev/null; cat",
        ], environment: sandbox.environment.merging(["A": "1"]) { $1 })
      let started = await child.finish()
      #expect(started.status == 0)
      let job = String(started.text.dropLast())
      let here = try await sandbox.shell("pwd").text
      #expect(try await sandbox.telpher("attach", job).text == "\(here)1 2\n")
    }
  }

  @Test func namesAreUsedOnce() async throws {
    try await Sandbox.withJobs { sandbox in
      _ = try await sandbox.startJob("--name", "mine", "--", "sh", "-c", "exit 4")
      #expect(try await sandbox.telpher("wait", "mine").status == 4)
      let second = try await sandbox.telpher("run", "--detach", "--name", "mine", "--", "true")
      #expect(second.status == 125)
      #expect(second.errorText.contains("has the name 'mine'"))
      #expect(try await sandbox.telpher("jobs", "--all").text.split(separator: "\n").count == 2)
      #expect(try await sandbox.telpher("forget", "mine").status == 0)
      #expect(try await sandbox.telpher("wait", "mine").status == 125)
      _ = try await sandbox.startJob("--name", "mine", "--", "true")
    }
  }

  @Test func inputOfAJobComesFromWhatIsAttached() async throws {
    try await Sandbox.withJobs { sandbox in
      let job = try await sandbox.startJob("-i", "--", "cat")
      let first = try sandbox.start(["attach", "-i", job], input: .pipe)
      await first.write("one\n")
      #expect(await first.line() == "one")
      first.signal(SIGKILL)
      _ = await first.wait()
      let second = try await sandbox.telpher("attach", "-i", job, input: "two\n")
      #expect(second.text == "one\ntwo\n")
      #expect(second.status == 0)
      let without = try await sandbox.startJob("--", "cat")
      #expect(try await sandbox.telpher("wait", without).status == 0)
    }
  }

  @Test func outputIsByteExactFromAnyOffset() async throws {
    try await Sandbox.withJobs { sandbox in
      sandbox.writeNoise(3_000_000, to: sandbox.folder + "/noise")
      let job = try await sandbox.startJob("--", "cat", sandbox.folder + "/noise")
      let line = """
        cd '\(sandbox.folder)'; telpher attach \(job) | cmp - noise || exit 1
        for n in 1 65535 65536 65537 1000000 2999999 3000000; do
          tail -c +$((n + 1)) noise >part; telpher attach --from $n \(job) >read || exit 2
          cmp read part || exit 3
        done
        """
      let result = try await sandbox.shell(line)
      #expect(result.status == 0, "\(result.errorText)")
    }
  }

  @Test func aJobWithAFullJournalWaitsForAReader() async throws {
    try await Sandbox.withJobs { sandbox in
      sandbox.writeNoise(8_000_000, to: sandbox.folder + "/noise")
      let job = try await sandbox.startJob(
        "--journal", "1M", "--when-full", "block", "--", "cat", sandbox.folder + "/noise")
      let result = try await sandbox.shell(
        "cd '\(sandbox.folder)'; telpher attach \(job) >copy && cmp copy noise")
      #expect(result.status == 0, "\(result.errorText)")
      #expect(try await sandbox.telpher("wait", job).status == 0)
      // Without a reader it waits, and can be ended.
      let other = try await sandbox.startJob(
        "--journal", "1M", "--when-full", "block", "--", "cat", sandbox.folder + "/noise")
      let waiting = try sandbox.start(["wait", other])
      try await waitUntilIdle(waiting.pid)
      #expect(try await sandbox.telpher("jobs").text.contains("running"))
      #expect(try await sandbox.telpher("kill", other).status == 0)
      let ended = await waiting.finish()
      #expect(ended.status == 143)
      #expect(ended.errorText.contains("telpher kill"))
      let rest = try await sandbox.telpher("attach", other)
      #expect(rest.errorText.contains("the job was ended while its journal was full"))
      #expect(!rest.errorText.contains("could not be written"))
    }
  }

  @Test func droppedOutputIsReportedInBytes() async throws {
    try await Sandbox.withJobs { sandbox in
      let job = try await sandbox.startJob(
        "--journal", "1M", "--", "sh", "-c", "head -c 5000000 /dev/zero; echo end")
      #expect(try await sandbox.telpher("wait", job).status == 0)
      let result = try await sandbox.telpher("attach", job)
      #expect(result.status == 0)
      #expect(result.text.hasSuffix("\0end\n"))
      let words = result.errorText.split(separator: " ")
      let missing = try #require(words.compactMap { Int($0) }.first)
      #expect(missing + result.output.count == 5_000_004)
      #expect(result.errorText.contains("missing from byte 0 on: the journal was full"))
    }
  }
}
