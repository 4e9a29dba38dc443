import Glibc
import TelpherTestSupport
import Testing

/// Durable jobs that have ended are removed after a while.
@Suite(.timeLimit(.minutes(5))) struct JobRetentionTests {
  /// Makes a job's result as old as that many days.
  private func age(_ job: String, days: Int, _ sandbox: Sandbox) {
    var times = [timespec(), timespec()]
    times[0].tv_sec = time(nil) - days * 86_400
    times[1] = times[0]
    #expect(utimensat(AT_FDCWD, "\(sandbox.jobsFolder)/\(job)/state", times, 0) == 0)
  }

  @Test func onlyJobsThatEndedMoreThanAWeekAgoAreRemoved() async throws {
    try await Sandbox.withJobs { sandbox in
      var jobs: [String] = []
      for name in ["old", "young"] {
        jobs.append(try await sandbox.startJob("--name", name, "--", "echo", name))
        #expect(try await sandbox.telpher("wait", name).status == 0)
      }
      try await sandbox.endJobHost(by: SIGTERM)
      age(jobs[0], days: 8, sandbox)
      age(jobs[1], days: 6, sandbox)
      // The next host looks for old jobs at its start and at each end of a job.
      let running = try await sandbox.startJob("--name", "running", "--", "sleep", "1000")
      let other = try await sandbox.startJob("--", "true")
      #expect(try await sandbox.telpher("wait", other).status == 0)
      age(running, days: 8, sandbox)
      let last = try await sandbox.startJob("--", "true")
      #expect(try await sandbox.telpher("wait", last).status == 0)
      let list = try await sandbox.telpher("jobs", "--all").text
      #expect(!list.contains("old") && list.contains("young") && list.contains("running"))
      let missing = try await sandbox.telpher("logs", "old")
      #expect(missing.status == 125)
      #expect(missing.errorText.contains("ended jobs are removed after a time, by default a week"))
      #expect(access("\(sandbox.jobsFolder)/\(jobs[0])", F_OK) != 0)
      // Its name is free.
      _ = try await sandbox.startJob("--name", "old", "--", "true")
    }
  }

  @Test func theTimeCanBeSetAndStaysWithTheFolder() async throws {
    try await Sandbox.withJobs { sandbox in
      for (options, days, isKept) in [
        (["--keep-jobs", "30d"], 29, true), ([], 29, true), ([], 31, false),
        (["--keep-jobs", "1h", "--keep-jobs-size", "1G"], 1, false),
      ] {
        let server = try sandbox.start(["serve", "--listen", "unix:\(sandbox.folder)/s"] + options)
        #expect(await server.line()?.hasPrefix("listening on") == true)
        let job = try await sandbox.startJob("--name", "old", "--", "true")
        #expect(try await sandbox.telpher("wait", "old").status == 0)
        try await sandbox.endJobHost(by: SIGTERM)
        age(job, days: days, sandbox)
        // A host that another server has started.
        let other = try await sandbox.startJob("--", "true")
        #expect(try await sandbox.telpher("wait", other).status == 0)
        try await eventually("old jobs are looked for") {
          try await sandbox.telpher("jobs", "--all").text.contains("old") == isKept
        }
        if isKept { #expect(try await sandbox.telpher("forget", "old").status == 0) }
        server.signal(SIGTERM)
        #expect(await server.finish().status == 0)
        try await sandbox.endJobHost(by: SIGTERM)
      }
    }
  }

  @Test func aTimeThatCannotBeUsedIsRefused() async throws {
    let sandbox = try Sandbox()
    for time in ["59m", "11000d", "x", "0"] {
      let refused = try await sandbox.telpher("serve", "--keep-jobs", time)
      #expect(refused.status == 64, "\(time): \(refused.errorText)")
    }
  }

  /// If no host has seen the end of a job, its age counts from the start of the next host.
  @Test func aJobWhoseEndWasNotSeenIsKeptFromThenOn() async throws {
    try await Sandbox.withJobs { sandbox in
      let job = try await sandbox.startJob("--", "sleep", "1000")
      try await sandbox.endJobHost(by: SIGKILL)
      age(job, days: 30, sandbox)
      for _ in 0..<2 {
        #expect(try await sandbox.telpher("jobs", "--all").text.contains("unknown"))
        try await sandbox.endJobHost(by: SIGTERM)
      }
    }
  }
}
