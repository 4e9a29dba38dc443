import Glibc
import TelpherTestSupport
import Testing

/// The ends of durable jobs: killed, lost with their host, forgotten.
struct JobEndTests {
  /// Waits, for 10 s at most, until no process has this word in its command line: a process that was
  /// killed takes a moment to end.
  private func areGone(_ sandbox: Sandbox, _ word: String) async throws -> Bool {
    let line = """
      for n in $(seq 1000); do
        cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -qx '\(word)' || exit 0
        sleep 0.01
      done
      exit 1
      """
    return try await sandbox.shell(line).status == 0
  }

  @Test(arguments: [(nil as String?, 143 as Int32), ("KILL", 137), ("15", 143)])
  func killEndsTheWholeTree(_ signal: String?, _ status: Int32) async throws {
    try await Sandbox.withJobs { sandbox in
      let mark = "\(100_000 + Int.random(in: 0..<100_000))"
      let job = try await sandbox.startJob(
        "--", "sh", "-c", "setsid sleep \(mark) & echo x; exec sleep \(mark)")
      let attached = try sandbox.start(["attach", job])
      #expect(await attached.line() == "x")
      let options = signal.map { ["-s", $0] } ?? []
      #expect(await (try sandbox.start(["kill"] + options + [job])).finish().status == 0)
      #expect(await attached.finish().status == status)
      #expect(try await areGone(sandbox, mark))
      let again = try await sandbox.telpher("kill", job)
      #expect(again.status == 1)
      #expect(again.errorText == "telpher: the job \(job) has ended\n")
      // Another host knows it too.
      try await sandbox.endJobHost(by: SIGTERM)
      #expect(try await sandbox.telpher("kill", job).errorText == again.errorText)
      let other = try await sandbox.startJob("--", "sleep", "1000")
      // A short beginning may be the number of another command.
      for request in ["kill", "forget", "wait", "attach"] {
        let result = try await sandbox.telpher(request, String(other.prefix(7)))
        #expect([1, 125].contains(result.status))
        #expect(result.errorText.contains("there is no") || result.errorText.contains("no command"))
      }
      #expect(try await sandbox.telpher("kill", String(other.prefix(8))).status == 0)
    }
  }

  @Test func aJobWhoseHostWasKilledIsUnknown() async throws {
    try await Sandbox.withJobs { sandbox in
      let job = try await sandbox.startJob("--", "sh", "-c", "echo $$; exec sleep 1000")
      let attached = try sandbox.start(["attach", job])
      let process = try #require(await attached.line().flatMap { Int32($0) })
      let waiting = try sandbox.start(["wait", job])
      try await waitUntilIdle(waiting.pid)
      try await sandbox.endJobHost(by: SIGKILL)
      #expect(await attached.finish().status == 125)
      #expect(await waiting.finish().status == 125)
      // A new host gives the same answer until the job is forgotten.
      let later = try await sandbox.telpher("wait", job)
      #expect(later.status == 125)
      #expect(later.errorText.contains("the end of the job was not seen"))
      let output = try await sandbox.telpher("attach", job)
      #expect(output.text == "\(process)\n")
      #expect(output.status == 125)
      #expect(try await sandbox.telpher("jobs", "--all").text.contains("unknown"))
      // Its guard has ended the command.
      #expect(try await isGone(process))
      #expect(try await sandbox.telpher("forget", job).status == 0)
      #expect(try await sandbox.telpher("jobs", "--all").text == "")
    }
  }

  @Test func aHostThatIsStoppedIsReported() async throws {
    try await Sandbox.withJobs { sandbox in
      let job = try await sandbox.startJob("--", "sleep", "1000")
      let host = try #require(sandbox.jobHost)
      try await suspend(host)
      let result = try await sandbox.telpher("jobs")
      kill(host, SIGCONT)
      #expect(result.status != 0)
      #expect(result.errorText.contains("no answer within 5000 ms"))
      #expect(try await sandbox.telpher("kill", job).status == 0)
    }
  }

  @Test func aHostThatIsAskedToEndRecordsTheResults() async throws {
    try await Sandbox.withJobs { sandbox in
      let job = try await sandbox.startJob(
        "--", "sh", "-c", "trap 'exit 9' TERM; sleep 1000 & wait")
      try await sandbox.endJobHost(by: SIGTERM)
      let result = try await sandbox.telpher("wait", job)
      #expect(result.status == 125)
      #expect(result.errorText.contains("the server is ending"))
    }
  }

  @Test func aServerThatIsKilledLosesNothing() async throws {
    try await Sandbox.withJobs { sandbox in
      let (server, _) = try await sandbox.serve()
      let gate = sandbox.folder + "/gate"
      mkfifo(gate, 0o600)
      let job = try await sandbox.startJob(
        "--", "sh", "-c", "echo one; read line <'\(gate)'; echo two; exit 5")
      let attached = try sandbox.start(["attach", job])
      #expect(await attached.line() == "one")
      server.signal(SIGKILL)
      #expect(await attached.finish().status == 125)
      _ = await server.finish()
      let (next, _) = try await sandbox.serve()
      let again = try sandbox.start(["attach", job])
      #expect(await again.line() == "one")
      #expect(try await sandbox.shell("echo >'\(gate)'").status == 0)
      let end = await again.finish()
      #expect(end.text == "two\n")
      #expect(end.status == 5)
      next.signal(SIGTERM)
      #expect(await next.finish().status == 0)
    }
  }

  @Test func aJobIsFoundOnEachLoopOfAServer() async throws {
    try await Sandbox.withJobs { sandbox in
      let (server, _) = try await sandbox.serve("--loops", "3")
      let job = try await sandbox.startJob("--", "sh", "-c", "echo x; exit 6")
      for _ in 0..<9 {
        let result = try await sandbox.telpher("attach", job)
        #expect(result.text == "x\n")
        #expect(result.status == 6)
      }
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
    }
  }

  @Test func aSlowReaderHoldsUpNothing() async throws {
    try await Sandbox.withJobs { sandbox in
      let job = try await sandbox.startJob(
        "--", "sh", "-c", "head -c 20000000 /dev/zero; echo end")
      // It reads nothing until the others have finished.
      let slow = try sandbox.start(["attach", job])
      async let one = sandbox.telpher("attach", job)
      async let other = sandbox.telpher("attach", job)
      let results = try await [one, other]
      for result in results {
        #expect(result.status == 0)
        #expect(result.output.count == 20_000_004)
      }
      let end = await slow.finish()
      #expect(end.status == 0)
      #expect(end.output.count == 20_000_004)
    }
  }

  @Test func forgetEndsThoseThatStillRead() async throws {
    try await Sandbox.withJobs { sandbox in
      // More than all windows and buffers on the way.
      let job = try await sandbox.startJob("--", "head", "-c", "60000000", "/dev/zero")
      #expect(try await sandbox.telpher("wait", job).status == 0)
      let line = """
        cd '\(sandbox.folder)'; mkfifo pipe
        telpher attach \(job) >pipe 2>err & reader=$!
        exec 3<pipe; head -c 1 <&3 >first
        telpher forget \(job) || exit 10
        cat <&3 >rest; wait $reader; [ $? = 125 ] || exit 11
        grep -q 'the job was forgotten before' err || exit 12
        [ $(wc -c <rest) -lt 59999999 ] || exit 13
        """
      let result = try await sandbox.shell(line)
      #expect(result.status == 0, "\(result.errorText)")
    }
  }

  @Test func aFolderThatCannotBeUsedRunsNothing() async throws {
    let sandbox = try Sandbox()
    mkdir(sandbox.folder + "/state", 0o755)
    let open = sandbox.folder + "/open"
    mkdir(open, 0o777)
    chmod(open, 0o777)
    let (server, addresses) = try await sandbox.serve(
      "--listen", "unix:\(sandbox.folder)/s", "--jobs", open)
    let mark = sandbox.folder + "/mark"
    let result = try await sandbox.telpher(
      "run", "--on", try #require(addresses.first), "--detach", "--", "touch", mark)
    #expect(result.status == 125)
    #expect(result.errorText.contains("the folder for jobs can't be used"))
    #expect(access(mark, F_OK) != 0)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  /// Whether a file system can be mounted in a mount namespace of its own.
  private static let canMount =
    geteuid() == 0 && system("unshare -m mount -t tmpfs none /tmp 2>/dev/null") == 0

  @Test(.enabled(if: canMount)) func aFullDiskStopsNoJobAndStartsNone() async throws {
    let sandbox = try Sandbox()
    // All of it runs in the namespace, also the process that keeps the jobs.
    sandbox.write(
      """
      set -u
      mkdir state go && mount -t tmpfs -o size=4m,mode=700 none state || exit 10
      export XDG_STATE_HOME=$PWD/state
      job=$(telpher run --detach -- sh -c '
        until [ -e go/now ]; do sleep 0.01; done
        head -c 8000000 /dev/zero; echo end; exit 5') || exit 11
      touch go/now
      telpher wait $job; [ $? = 5 ] || exit 12
      telpher attach $job >out 2>err; [ $? = 5 ] || exit 13
      lost=$(sed -n 's/^telpher: \\([0-9]*\\) bytes .* could not be written .*/\\1/p' err |
        paste -sd+ | bc)
      [ $(($(wc -c <out) + ${lost:-0})) = 8000004 ] || exit 14
      telpher logs $job >out 2>err; [ $? = 125 ] || exit 21
      # The journal may have left some pages, which suffice for a small job.
      cat /dev/zero 2>/dev/null >state/rest
      telpher run --detach -- touch ran && exit 15
      [ -e ran ] && exit 16
      [ "$(telpher jobs --all | wc -l)" = 2 ] || exit 17
      telpher forget --all || exit 18
      next=$(telpher run --detach -- sh -c 'exit 6') || exit 19
      telpher wait $next; [ $? = 6 ] || exit 20

      """, to: sandbox.folder + "/script")
    let result = try await sandbox.shell(
      "cd '\(sandbox.folder)' && unshare -m sh ./script")
    #expect(result.status == 0, "\(result.errorText)")
  }

  @Test func aServerWithoutCommandsRefusesJobs() async throws {
    let sandbox = try Sandbox()
    let (server, addresses) = try await sandbox.serve(
      "--listen", "unix:\(sandbox.folder)/s", "--no-commands")
    let address = try #require(addresses.first)
    for arguments in [["run", "--on", address, "--detach", "true"], ["jobs", "--on", address]] {
      let result = await (try sandbox.start(arguments)).finish()
      #expect(result.status == 125)
      #expect(result.errorText.contains("runs no commands"))
    }
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }
}
