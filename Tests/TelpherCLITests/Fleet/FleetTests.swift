import Glibc
import TelpherFleet
import TelpherTestSupport
import Testing

/// A fleet of real processes: broker, workers, submitters.
@Suite(.enabled(if: FleetStage.hasTools, NATSServer.missing)) struct FleetTests {
  @Test func jobsGoThroughTheFleet() async throws {
    try await FleetStage.with(["a", "b"]) { stage in
      try await stage.start("a", ["--slots", "2"])
      try await stage.start("b")
      let list = try await stage.run(["fleet", "list"])
      #expect(list.contains("a       ready  2      0"), "\(list)")
      #expect(list.contains("b       ready  1      0"), "\(list)")
      let show = try await stage.run(["fleet", "show", "a"])
      #expect(show.contains("unix:\(stage.state("a"))/worker.sock\nit answers\n"), "\(show)")

      let job = try await stage.submit("--queue", "web", "--", "sh", "-c", "echo out; echo err >&2")
      let waited = try await stage.wait(job)
      #expect(waited.status == 0 && waited.errorText.isEmpty, "\(waited.errorText)")
      let output = try await stage.telpher(["job", "output", job])
      #expect(output.status == 0, "\(output.errorText)")
      #expect(output.text == "out\n" && output.errorText == "err\n")
      let shown = try await stage.run(["job", "show", job])
      #expect(shown.contains("state: exited 0\n") && shown.contains("output: 4 bytes, errors 4"))
      #expect(try await stage.run(["job", "list", "--all"]).contains("\(job)  exited 0"))
      #expect(try await stage.run(["job", "list", "--all"]).contains("  sh -c echo out; echo err"))
      #expect(!(try await stage.run(["job", "list"]).contains(job)))

      // The queue of one worker.
      let own = try await stage.submit("--queue", "@b", "--", "true")
      #expect(try await stage.wait(own).status == 0)
      #expect(try await stage.run(["job", "show", own]).contains("worker: b\n"))
      // The same submission again.
      #expect(try await stage.submit("--queue", "@b", "--id", own, "--", "true") == own)
      #expect(await stage.end("a", by: SIGTERM) == 0)
      #expect(!(try await stage.run(["fleet", "list"]).contains("a       ")))
    }
  }

  @Test func theStatusIsThatOfTheJob() async throws {
    try await FleetStage.with(["a"]) { stage in
      try await stage.start("a", ["--slots", "4"])
      func status(_ arguments: String...) async throws -> (Int32, String) {
        let job = try await stage.submit(["--queue", "web"] + arguments)
        let waited = try await stage.wait(job)
        return (waited.status, waited.errorText)
      }
      #expect(try await status("--", "sh", "-c", "exit 3") == (3, ""))
      #expect(
        try await status("--", "sh", "-c", "kill -9 $$")
          == (137, "telpher: the job was ended by signal 9\n"))
      #expect(
        try await status("--timeout", "100ms", "--", "sleep", "1000")
          == (124, "telpher: the job was ended at its deadline\n"))
      #expect(try await status("--", "no-such-program").0 == 127)
      #expect(try await status("--", "/").0 == 126)
      #expect(
        try await status("--cwd", "/usr", "--", "sh", "-c", "[ $(pwd) = /usr ] && exit 7").0 == 7)
      #expect(
        try await status("--env", "A=b c", "--cwd", "/usr", "--", "sh", "-c", "exit ${#A}").0 == 3)
      let unknown = try await stage.telpher(["job", "wait", JobID.random().description])
      #expect(unknown.status == 125 && unknown.errorText.contains("knows no job"))
    }
  }

  @Test func jobsThatDoNotRunSayWhy() async throws {
    try await FleetStage.with(["a"]) { stage in
      // Canceled in the queue: there is no worker yet.
      let canceled = try await stage.submit("--queue", "web", "--", "true")
      try await stage.run(["job", "cancel", canceled])
      let first = try await stage.wait(canceled)
      #expect(first.status == 120)
      #expect(first.errorText == "telpher: the job was canceled before its start\n")
      let again = try await stage.telpher(["job", "cancel", canceled])
      #expect(again.status == 1)

      let late = try await stage.submit("--queue", "web", "--not-after", "1ms", "--", "true")
      _ = try await stage.sandbox.shell("ssh-keygen -q -t ed25519 -N '' -f \(stage.key)2")
      let foreign = try await stage.run([
        "job", "submit", "--queue", "web", "--identity", stage.key + "2", "--", "true",
      ])
      try await stage.start("a")
      let expired = try await stage.wait(late)
      #expect(expired.status == 123)
      #expect(expired.errorText == "telpher: no worker started the job in time\n")
      let dead = try await stage.wait(String(foreign.dropLast()))
      #expect(dead.status == 122)
      #expect(dead.errorText.contains("may not submit jobs here"), "\(dead.errorText)")

      // Canceled while it runs, with all its processes.
      let mark = "\(100_000 + Int.random(in: 0..<100_000))"
      let job = try await stage.submit(
        "--queue", "web", "--", "sh", "-c", "echo running; sleep \(mark)")
      let following = try stage.sandbox.start(
        ["job", "output", "-f", job], environment: ["TELPHER_FLEET": stage.folder + "/admin"])
      #expect(await following.line() == "running")
      try await stage.run(["job", "cancel", job])
      #expect(try await stage.wait(job).status == 120)
      #expect(await following.finish().status == 0)
    }
  }

  @Test func aKilledWorkersJobContinues() async throws {
    try await FleetStage.with(["a"]) { stage in
      try await stage.start("a")
      let fifo = stage.sandbox.folder + "/fifo"
      #expect(mkfifo(fifo, 0o600) == 0)
      let job = try await stage.submit(
        "--queue", "web", "--", "sh", "-c", "echo started; read line <\(fifo); echo $line; exit 5")
      let following = try stage.sandbox.start(
        ["job", "output", "-f", job], environment: ["TELPHER_FLEET": stage.folder + "/admin"])
      #expect(await following.line() == "started")
      await stage.end("a", by: SIGKILL)
      // Its end comes while there is no worker.
      _ = try await stage.sandbox.shell("echo hello >\(fifo)")
      try await stage.start("a")
      #expect(try await stage.wait(job).status == 5)
      #expect(try await stage.run(["job", "output", job]) == "started\nhello\n")
    }
  }

  @Test func aJobWhoseHostWasKilledIsLostOrRetried() async throws {
    try await FleetStage.with(["a"]) { stage in
      try await stage.start("a", ["--slots", "2"])
      let file = stage.sandbox.folder + "/starts"
      let once = try await stage.submit(
        "--queue", "web", "--", "sh", "-c", "echo once >>\(file); exec sleep 1000")
      let retry = try await stage.submit(
        "--queue", "web", "--retry", "2", "--", "sh", "-c",
        "echo retry >>\(file); [ $(grep -c retry \(file)) = 2 ] || exec sleep 1000")
      try await eventually("both run") {
        (TelpherTestSupport.Sandbox.text(file) ?? "").utf8.count == 11
      }
      let host = try #require(stage.jobHost("a"))
      kill(host, SIGKILL)
      let lost = try await stage.wait(once)
      #expect(lost.status == 121, "\(lost.errorText)")
      #expect(try await stage.wait(retry).status == 0)
      #expect(try await stage.run(["job", "show", retry]).contains("attempt: 2\n"))
      #expect(
        (TelpherTestSupport.Sandbox.text(file) ?? "").split(separator: "\n").sorted() == [
          "once", "retry", "retry",
        ])
    }
  }

  @Test func aWorkerGetsOnlyItsQueues() async throws {
    try await FleetStage.with(["a"]) { stage in
      try await stage.run(["fleet", "enroll", "--folder", stage.folder, "--group", "db", "b"])
      try await stage.run(["fleet", "enroll", "--folder", stage.folder, "--submitter", "s"])
      // The worker's credentials do not let it join another group, submit or delete.
      let other = try stage.sandbox.start([
        "worker", "--fleet", "\(stage.folder)/a", "--authorized-keys", stage.key + ".pub",
        "--state", stage.state("a"), "--group", "db",
      ])
      #expect(await other.line() != nil)
      let ended = await other.finish()
      #expect(ended.status == 125, "\(ended.errorText)")
      let asWorker = try await stage.sandbox.start(
        ["job", "submit", "--queue", "web", "--identity", stage.key, "--", "true"],
        environment: ["TELPHER_FLEET": stage.folder + "/a"]
      ).finish()
      #expect(asWorker.status == 125)
      let asSubmitter = try await stage.sandbox.start(
        ["job", "submit", "--queue", "db", "--identity", stage.key, "--", "true"],
        environment: ["TELPHER_FLEET": stage.folder + "/s"]
      ).finish()
      #expect(asSubmitter.status == 0, "\(asSubmitter.errorText)")
      try await stage.start("b")
      let waited = try await stage.sandbox.start(
        ["job", "wait", String(asSubmitter.text.dropLast())],
        environment: ["TELPHER_FLEET": stage.folder + "/s"]
      ).finish()
      #expect(waited.status == 0, "\(waited.errorText)")
    }
  }

  @Test func membersAreAddedWhileJobsRun() async throws {
    try await FleetStage.with(["a"]) { stage in
      try await stage.start("a")
      let fifo = stage.sandbox.folder + "/fifo"
      #expect(mkfifo(fifo, 0o600) == 0)
      let job = try await stage.submit(
        "--queue", "web", "--", "sh", "-c", "read x <\(fifo); exit 7")
      try await stage.run(["fleet", "enroll", "--folder", stage.folder, "--submitter", "s"])
      try await stage.run(["fleet", "enroll", "--folder", stage.folder, "--group", "web", "b"])
      // The worker still answers calls, also those of a member that is new.
      let shown = try await stage.sandbox.start(
        ["fleet", "show", "a"], environment: ["TELPHER_FLEET": stage.folder + "/s"]
      ).finish()
      #expect(shown.status == 0 && shown.text.hasSuffix("it answers\n"), "\(shown.errorText)")
      _ = try await stage.sandbox.shell("echo >\(fifo)")
      #expect(try await stage.wait(job).status == 7)
    }
  }

  @Test func aFolderOfAnotherVersionIsRefused() async throws {
    try await FleetStage.with(["a"]) { stage in
      let members = stage.folder + "/members"
      _ = try await stage.sandbox.shell("sed -i 1d \(members)")
      let refused = try await stage.telpher(["fleet", "enroll", "--folder", stage.folder, "b"])
      #expect(refused.status == 125)
      #expect(refused.errorText.contains("docs/FLEET.md"), "\(refused.errorText)")
      #expect(!(try await stage.sandbox.shell("cat \(members)").text.contains("worker b")))
    }
  }

  @Test func aKilledBrokerLosesNothing() async throws {
    try await FleetStage.with(["a"]) { stage in
      let first = try await stage.submit("--queue", "web", "--", "true")
      await stage.killBroker()
      try stage.startBroker()
      try await stage.start("a")
      #expect(try await stage.wait(first).status == 0)
      let fifo = stage.sandbox.folder + "/fifo"
      #expect(mkfifo(fifo, 0o600) == 0)
      let second = try await stage.submit(
        "--queue", "web", "--", "sh", "-c", "echo started; read x <\(fifo)")
      let following = try stage.sandbox.start(
        ["job", "output", "-f", second], environment: ["TELPHER_FLEET": stage.folder + "/admin"])
      #expect(await following.line() == "started")
      await stage.killBroker()
      _ = try await stage.sandbox.shell("echo >\(fifo)")
      try stage.startBroker()
      #expect(try await stage.wait(second).status == 0)
    }
  }
}
