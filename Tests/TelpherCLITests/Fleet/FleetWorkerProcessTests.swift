import Glibc
import TelpherTestSupport
import Testing

/// A worker as a process: its signals, its policy, its disk, and what becomes of its jobs without it.
@Suite(.enabled(if: FleetStage.hasTools, NATSServer.missing)) struct FleetWorkerProcessTests {
  /// A job that writes a line to the named file, and then waits for a line in a FIFO.
  private static func held(_ stage: FleetStage, _ options: [String]) async throws -> (
    job: String, release: @Sendable () async throws -> Void
  ) {
    let fifo = "\(stage.sandbox.folder)/\(Int.random(in: 0..<1_000_000_000))"
    #expect(mkfifo(fifo, 0o600) == 0)
    let job = try await stage.submit(
      options + ["--", "sh", "-c", "echo started; read x <\(fifo); exit 5"])
    let following = try stage.child(["job", "output", "-f", job])
    #expect(await following.line() == "started")
    following.signal(SIGKILL)
    _ = await following.wait()
    let sandbox = stage.sandbox
    return (job, { _ = try await sandbox.shell("echo >\(fifo)") })
  }

  @Test func aHangupEndsNoWorker() async throws {
    try await FleetStage.with(["a", "b"]) { stage in
      let policy = stage.sandbox.folder + "/policy"
      stage.sandbox.write("rules:\n  - for: \"*\"\n    allow: all\n", to: policy)
      try await stage.start("a")
      try await stage.start("b", ["--policy", policy])
      for name in ["a", "b"] {
        stage.signal(name, SIGHUP)
        stage.signal(name, SIGHUP)
        let job = try await stage.submit("--queue", "@\(name)", "--", "sh", "-c", "exit 7")
        #expect(try await stage.wait(job).status == 7)
        #expect(await stage.end(name, by: SIGTERM) == 0)
      }
    }
  }

  /// The first SIGTERM waits for the job, the second leaves it running for the next start.
  @Test func twoSignalsLeaveTheJobsRunning() async throws {
    try await FleetStage.with(["a"]) { stage in
      try await stage.start("a", ["--slots", "2"])
      let (job, release) = try await Self.held(stage, ["--queue", "web"])
      stage.signal("a", SIGTERM)
      try await eventually("it takes no more jobs") {
        try await stage.run(["fleet", "list"]).contains("a       draining")
      }
      let later = try await stage.submit("--queue", "web", "--", "true")
      #expect(try await stage.run(["job", "show", job]).contains("state: running\n"))
      #expect(await stage.end("a", by: SIGTERM) == 0)
      #expect(try await stage.run(["job", "show", job]).contains("state: running\n"))
      try await release()
      try await stage.start("a")
      #expect(try await stage.wait(job).status == 5)
      #expect(try await stage.wait(later).status == 0)
      #expect(await stage.end("a", by: SIGTERM) == 0)
    }
  }

  @Test func aPolicyLimitsJobs() async throws {
    try await FleetStage.with(["a", "b"]) { stage in
      let policy = stage.sandbox.folder + "/policy"
      stage.sandbox.write(
        """
        rules:
          - for: "*"
            commands: [[sleep, "..."], [sh, -c, ulimit -n]]
            limits: {time: 300ms, open-files: 77}

        """, to: policy)
      try await stage.start("a", ["--policy", policy])
      func run(_ arguments: String...) async throws -> (String, Finished) {
        let job = try await stage.submit(["--queue", "@a"] + arguments)
        return (job, try await stage.wait(job))
      }
      #expect(try await run("--", "sleep", "1000").1.status == 124)
      let (limited, ended) = try await run("--", "sh", "-c", "ulimit -n")
      #expect(ended.status == 0, "\(ended.errorText)")
      #expect(try await stage.run(["job", "output", limited]) == "77\n")
      for refused in [
        ["--timeout", "1h", "--", "sleep", "1"], ["--open-files", "78", "--", "sleep", "0"],
        ["--", "sh", "-c", "ulimit -v"], ["--cwd", "/", "--", "sleep", "0"],
      ] {
        let dead = try await stage.wait(stage.submit(["--queue", "@a"] + refused))
        #expect(dead.status == 122, "\(refused): \(dead.errorText)")
        #expect(dead.errorText.contains("policy"), "\(dead.errorText)")
      }
      // A number of commands is nothing that one worker of many can hold.
      stage.sandbox.write(
        "rules:\n  - for: \"*\"\n    allow: all\n    limits: {concurrency: 4}\n", to: policy)
      try await stage.start("b", ["--policy", policy])
      let job = try await stage.submit("--queue", "@b", "--", "true")
      let dead = try await stage.wait(job)
      #expect(dead.status == 122 && dead.errorText.contains("limits the number of commands"))
    }
  }

  /// Its broker forgets a worker after 30 s, and gives its jobs to others.
  @Test(.timeLimit(.minutes(10))) func theJobsOfAWorkerThatStaysAwayAreLostOrRunElsewhere()
    async throws
  {
    try await FleetStage.with(["a", "b"]) { stage in
      try await stage.start("a", ["--slots", "3"])
      let folder = stage.sandbox.folder
      let line = "echo $0 >>\(folder)/starts; [ -e \(folder)/go ] || exec sleep 1000"
      func submit(_ name: String, _ options: [String]) async throws -> String {
        try await stage.submit(["--queue", "web"] + options + ["--", "sh", "-c", line, name])
      }
      let jobs = (
        once: try await submit("once", []), last: try await submit("last", ["--retry", "1"]),
        next: try await submit("next", ["--retry", "2"])
      )
      func starts() -> [String] {
        (TelpherTestSupport.Sandbox.text(folder + "/starts") ?? "").split(separator: "\n")
          .map(String.init).sorted()
      }
      try await eventually("all run") { starts() == ["last", "next", "once"] }
      await stage.end("a", by: SIGKILL)
      stage.sandbox.write("", to: folder + "/go")
      try await stage.start("b")
      async let first = stage.wait(jobs.once)
      async let second = stage.wait(jobs.last)
      async let third = stage.wait(jobs.next)
      let (once, last, next) = try await (first, second, third)
      #expect(once.status == 121)
      #expect(
        once.errorText
          == "telpher: the job is lost: its worker a is gone. It may have run in whole or in part\n"
      )
      #expect(last.status == 121)
      #expect(
        last.errorText
          == "telpher: the job was lost in each of its attempts: its worker a is gone, after 1 attempts\n"
      )
      #expect(next.status == 0, "\(next.errorText)")
      let shown = try await stage.run(["job", "show", jobs.next])
      #expect(shown.contains("worker: b\nattempt: 2\n"), "\(shown)")
      #expect(starts() == ["last", "next", "next", "once"])
      let list = try await stage.run(["job", "list", "--all"])
      #expect(list.contains("  lost ") && list.contains("  exhausted "), "\(list)")
    }
  }
}
