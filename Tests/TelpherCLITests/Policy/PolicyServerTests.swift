import Glibc
import TelpherTestSupport
import Testing

/// A server with `--policy` refuses each operation that no rule allows, and does nothing for it.
@Suite(.timeLimit(.minutes(10))) struct PolicyServerTests {
  private let sandbox: Sandbox
  private var policy: String { sandbox.folder + "/policy.yml" }
  private var audit: String { sandbox.folder + "/audit" }
  private var files: String { sandbox.folder + "/files" }

  init() throws {
    sandbox = try Sandbox()
    mkdir(files, 0o700)
    sandbox.write("old\n", to: files + "/a")
    sandbox.write("secret\n", to: sandbox.folder + "/secret")
    symlink(sandbox.folder + "/secret", files + "/link")
  }

  /// Runs `body` with a server of these rules for its owner, each the content of a mapping.
  private func withServer(_ rules: String..., body: () async throws -> Void) async throws {
    write(rules)
    let (server, _) = try await sandbox.serve("--policy", policy, "--audit", audit)
    let result: Result<Void, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
    try result.get()
  }

  private func write(_ rules: [String]) {
    let lines = rules.map { "  - {for: owner, \($0)}\n" }.joined()
    sandbox.write("rules:\n\(lines)", to: policy + ".new")
    #expect(rename(policy + ".new", policy) == 0)
  }

  /// Runs the program with the server named, so that it sends no environment and no directory.
  private func telpher(_ arguments: [String]) async throws -> Finished {
    try await sandbox.start(
      [arguments[0], "--on", "unix:\(sandbox.socket)"] + arguments.dropFirst()
    ).finish()
  }

  /// A request that a rule for something else does not allow, with what the message says.
  ///
  /// `FILES` stands for the folder with the file `a`, which no denied request may change.
  @Test(arguments: [
    (["run", "--", "touch", "FILES/new"], "you may not run this command"),
    (["run", "--shell", "touch FILES/new"], "you may not run lines for a shell"),
    (["run", "--detach", "--", "touch", "FILES/new"], "you may not run this command"),
    (["shell"], "you may not run lines for a shell"),
    (["get", "FILES/a", "FILES/new"], "you may not read"),
    (["put", "FILES/a", "FILES/new"], "you may neither read nor change"),
    (["ls", "FILES"], "you may not read"),
    (["stat", "FILES/a"], "you may neither read nor change"),
    (["rm", "FILES/a"], "you may not change"),
    (["mv", "FILES/a", "FILES/new"], "you may not change"),
    (["mkdir", "FILES/new"], "you may not change"),
    (["forward", "0", "tcp:127.0.0.1:1"], "you may not connect to tcp:127.0.0.1:1"),
    (["forward", "--reverse", "tcp:127.0.0.1:1", "tcp:127.0.0.1:0"], "you may not listen at"),
  ])
  func `What no rule allows is refused, recorded and not done`(
    _ words: [String], _ message: String
  ) async throws {
    let words = words.map { word in
      word.contains("FILES")
        ? word.split(separator: "FILES", omittingEmptySubsequences: false).joined(separator: files)
        : word
    }
    try await withServer("commands: [[id]]") {
      let finished = try await telpher(words)
      #expect(finished.status != 0)
      #expect(finished.output.isEmpty)
      #expect(finished.errorText.contains(message), "\(finished.errorText)")
    }
    let left = try await sandbox.shell("cd '\(files)' && ls && cat a")
    #expect(left.text == "a\nlink\nold\n")
    let recorded = try await sandbox.shell("grep '\"event\":\"end\"' '\(audit)'")
    #expect(recorded.text.contains(#""result":"refused""#), "\(recorded.text)")
    #expect(recorded.text.contains(message), "\(recorded.text)")
  }

  @Test func `What a rule allows is done`() async throws {
    mkdir(files + "/in", 0o700)
    try await withServer(
      "commands: [[echo, '*']], environment: {FORCED: 'yes'}", "shell: true, terminal: true",
      "read: ['\(files)'], write: ['\(files)/in']"
    ) {
      #expect(try await telpher(["run", "--", "echo", "a b"]).text == "a b\n")
      #expect(try await telpher(["run", "--", "echo", "a", "b"]).status == 125)
      #expect(try await telpher(["run", "--shell", "echo $((1+1))"]).text == "2\n")
      #expect(try await telpher(["ls", files]).text == "a\nin/\nlink\n")
      #expect(try await telpher(["get", files + "/a", sandbox.folder + "/got"]).status == 0)
      #expect(try await sandbox.text(of: sandbox.folder + "/got") == "old\n")
      #expect(try await telpher(["put", files + "/a", files + "/in/b"]).status == 0)
      #expect(try await sandbox.text(of: files + "/in/b") == "old\n")
      #expect(try await telpher(["stat", files + "/in/b"]).text.hasPrefix("path: \(files)/in/b\n"))
      #expect(try await telpher(["mv", files + "/in/b", files + "/in/c"]).status == 0)
      #expect(try await telpher(["mv", files + "/in/c", files + "/c"]).status != 0)
      #expect(try await telpher(["rm", files + "/in/c"]).status == 0)
      // A link that leads out of the folder is not followed.
      let link = try await telpher(["get", files + "/link", sandbox.folder + "/got2"])
      #expect(link.status != 0)
      #expect(access(sandbox.folder + "/got2", F_OK) != 0)
    }
  }

  @Test func `A listed command takes no variables and no directory of the client`() async throws {
    try await withServer("commands: [[env]], environment: {FORCED: 'yes'}, directory: '\(files)'") {
      let finished = try await telpher(["run", "--", "env"])
      #expect(finished.text.contains("\nFORCED=yes\n") || finished.text.hasPrefix("FORCED=yes\n"))
      #expect(finished.text.contains("PWD=\(files)\n"))
      let variable = try await telpher(["run", "--env", "LD_PRELOAD=/x", "--", "env"])
      #expect(variable.errorText.contains("you may not set the variable LD_PRELOAD"))
      let folder = try await telpher(["run", "--cwd", "/", "--", "env"])
      #expect(folder.errorText.contains("you may not choose the working directory"))
    }
  }

  @Test func `A program is looked up in the PATH that the policy sets`() async throws {
    sandbox.write("#!/bin/sh\necho \"mine: $PATH\"\n", to: files + "/id")
    chmod(files + "/id", 0o755)
    try await withServer(
      "commands: [[id]], environment: {PATH: '\(files)'}", "commands: [[id, -u]]"
    ) {
      let own = try await telpher(["run", "--", "id"])
      #expect(own.text == "mine: \(files)\n", "\(own.errorText)")
      #expect(try await telpher(["run", "--", "id", "-u"]).text == "\(geteuid())\n")
    }
  }

  @Test func `A variable of the policy replaces the client's`() async throws {
    try await withServer("commands: any, environment: {A: policy}") {
      let finished = try await telpher(["run", "--env", "A=client", "--", "printenv", "A"])
      #expect(finished.text == "policy\n")
    }
  }

  @Test func `Limits of the policy are ceilings`() async throws {
    try await withServer("commands: any, limits: {cpu-time: 7, open-files: 50, time: 20s}") {
      #expect(try await telpher(["run", "--", "sh", "-c", "ulimit -t -n"]).status == 0)
      let limits = try await telpher(["run", "--", "sh", "-c", "ulimit -t; ulimit -n"])
      #expect(limits.text == "7\n50\n")
      let less = try await telpher(["run", "--cpu-time", "3", "--", "sh", "-c", "ulimit -t"])
      #expect(less.text == "3\n")
      let more = try await telpher(["run", "--cpu-time", "9", "--", "true"])
      #expect(more.errorText.contains("cpu-time 9 s is more than this server allows: 7 s"))
      let longer = try await telpher(["run", "--timeout", "1m", "--", "true"])
      #expect(longer.errorText.contains("your commands may run for 20000 ms at most"))
    }
  }

  @Test func `A command ends at the time of the policy`() async throws {
    try await withServer("commands: any, limits: {time: 200ms}") {
      let finished = try await telpher(["run", "--", "sleep", "600"])
      #expect(finished.status == 124)
    }
  }

  @Test func `A client can't lengthen the time of the policy`() async throws {
    // About 20 s, if nothing ends it.
    let stubborn =
      "trap '' TERM; i=0; while [ $i -lt 200 ]; do sleep 0.1; i=$((i+1)); done; echo late"
    try await withServer("shell: true, limits: {time: 200ms}") {
      let grace = try await telpher(["run", "--grace", "1h", "--shell", stubborn])
      #expect(grace.status == 124)
      #expect(grace.text.isEmpty)
      for drain in ["1h", "forever"] {
        let drained = try await telpher(
          ["run", "--grace", "1h", "--drain", drain, "--shell", "(\(stubborn)) & echo early"])
        #expect(drained.text == "early\n", "\(drain)")
      }
    }
  }

  /// A line that leaves a process behind, in a session of its own, and prints its id.
  static let leavesBehind = "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $!"

  @Test func `What a command leaves behind ends at the time of the policy`() async throws {
    try await withServer("shell: true, limits: {time: 1500ms}") {
      let left = try await telpher(["run", "--shell", Self.leavesBehind])
      #expect(left.status == 0)
      try await ends(left.text)
      #expect(
        try await telpher(["run", "--detach", "--name", "j", "--shell", Self.leavesBehind]).status
          == 0)
      #expect(try await telpher(["wait", "j"]).status == 0)
      try await ends(try await telpher(["logs", "j"]).text)
    }
  }

  @Test func `What a command leaves behind ends with a server whose policy limits the time`()
    async throws
  {
    var left = ""
    try await withServer("shell: true, limits: {time: 1h}") {
      left = try await telpher(["run", "--shell", Self.leavesBehind]).text
      #expect(isRunning(try #require(Int32(left.dropLast()))))
    }
    try await ends(left)
  }

  @Test func `No more commands run at once than the policy allows`() async throws {
    try await withServer("commands: any, limits: {concurrency: 1}") {
      let first = try sandbox.start(
        ["run", "--on", "unix:\(sandbox.socket)", "-i", "--", "cat"], input: .pipe)
      await first.write("x\n")
      #expect(await first.line() == "x")
      let second = try await telpher(["run", "--", "true"])
      #expect(second.errorText.contains(Self.tooMany(1)))
      let durable = try await telpher(["run", "--detach", "--", "true"])
      #expect(durable.errorText.contains(Self.tooMany(1)), "\(durable.errorText)")
      first.closeInput()
      #expect(await first.finish().status == 0)
      #expect(try await telpher(["run", "--", "true"]).status == 0)
    }
  }

  private static func tooMany(_ most: Int) -> String {
    "lets you run \(most) commands and durable jobs at once"
  }

  @Test func `Durable jobs count as long as they run, also for the next server`() async throws {
    let rule = "commands: any, limits: {concurrency: 2}"
    var jobs: [String] = []
    try await withServer(rule) {
      for name in ["a", "b"] {
        let job = try await telpher(["run", "--detach", "--name", name, "--", "sleep", "1000"])
        #expect(job.status == 0, "\(job.errorText)")
        jobs.append(job.text)
      }
    }
    try await withServer(rule) {
      for arguments in [
        ["run", "--", "true"], ["run", "--detach", "--", "true"],
        ["run", "--reconnect", "--", "true"],
      ] {
        let refused = try await telpher(arguments)
        #expect(refused.status == 125)
        #expect(refused.errorText.contains(Self.tooMany(2)), "\(refused.errorText)")
      }
      #expect(try await telpher(["kill", "a"]).status == 0)
      #expect(try await telpher(["wait", "a"]).status != 0)
      // Now one place is free: for a command, and then for a job.
      #expect(try await telpher(["run", "--", "echo", "free"]).text == "free\n")
      for _ in 0..<3 {
        #expect(try await telpher(["run", "--reconnect", "--", "echo", "job"]).text == "job\n")
      }
      let command = try sandbox.start(
        ["run", "--on", "unix:\(sandbox.socket)", "-i", "--", "cat"], input: .pipe)
      await command.write("x\n")
      #expect(await command.line() == "x")
      let job = try await telpher(["run", "--detach", "--", "true"])
      #expect(job.errorText.contains(Self.tooMany(2)), "\(job.errorText)")
      command.closeInput()
      #expect(await command.finish().status == 0)
    }
    // A job whose host was killed does not run, and so does not count.
    try await sandbox.endJobHost(by: SIGKILL)
    try await withServer(rule) {
      let free = try await telpher(["run", "--", "echo", "free"])
      #expect(free.text == "free\n", "\(free.errorText)")
    }
    try await sandbox.endJobHost(by: SIGTERM)
  }

  @Test func `Of many requests at once no more get in than the policy allows`() async throws {
    try await withServer("commands: any, limits: {concurrency: 3}") {
      let script = """
        for n in $(seq 8); do
          telpher run --on unix:\(sandbox.socket) --detach -- sleep 1000 >>started 2>>refused &
          telpher run --on unix:\(sandbox.socket) -- sleep 1000 2>>refused & echo $! >>clients
        done
        i=0
        until [ $(($(wc -l <refused) + $(telpher ps --on unix:\(sandbox.socket) | grep -c 'sleep 1000'))) -ge 16 ]
        do i=$((i + 1)); [ $i -lt 600 ] || exit 10; sleep 0.05; done
        telpher ps --on unix:\(sandbox.socket) | grep -c 'sleep 1000'
        kill $(cat clients) 2>/dev/null; wait
        """
      let result = try await sandbox.shell("cd; touch refused started; \(script)")
      #expect(result.status == 0, "\(result.errorText)")
      #expect(
        (1...3).contains(Int(result.text.split(separator: "\n").first ?? "") ?? 0), "\(result.text)"
      )
      let reasons = try await sandbox.shell("cd; grep -vc 'at once: try again later' refused")
      #expect(reasons.text == "0\n")
    }
    try await sandbox.endJobHost(by: SIGTERM)
  }

  @Test func `SIGHUP reads the policy again, and a mistake keeps the old one`() async throws {
    write(["commands: [[echo, one]]"])
    let log = sandbox.folder + "/log"
    let server = try Child(
      ["/bin/sh", "-c", "exec '\(Sandbox.program)' serve --policy '\(policy)' 2>'\(log)'"],
      environment: sandbox.environment)
    #expect(await server.line()?.hasPrefix("listening") == true)
    #expect(try await telpher(["run", "--", "echo", "one"]).status == 0)
    #expect(try await telpher(["run", "--", "echo", "two"]).status == 125)
    write(["commands: [[echo, two]]"])
    server.signal(SIGHUP)
    try await untilLogged("read the policy again", in: log)
    #expect(try await telpher(["run", "--", "echo", "one"]).status == 125)
    #expect(try await telpher(["run", "--", "echo", "two"]).status == 0)
    write(["comands: any"])
    server.signal(SIGHUP)
    try await untilLogged("policy.yml:2: a rule has no key 'comands'", in: log)
    #expect(try await telpher(["run", "--", "echo", "two"]).status == 0)
    #expect(try await telpher(["run", "--", "echo", "one"]).status == 125)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  /// Waits until the server, which writes it soon, has logged `text`.
  private func untilLogged(_ text: String, in log: String) async throws {
    for _ in 0..<500 {
      if try await sandbox.text(of: log)?.contains(text) == true { return }
    }
    Issue.record("the log has no '\(text)': \(try await sandbox.text(of: log) ?? "")")
  }

  @Test func `A server with an unusable policy does not start`() async throws {
    write(["allow: most"])
    let wrong = try await sandbox.telpher("serve", "--policy", policy)
    #expect(wrong.status != 0)
    #expect(wrong.errorText.contains("policy.yml:2: 'allow' can only be 'all'"))
    write(["allow: all"])
    chmod(policy, 0o666)
    let open = try await sandbox.telpher("serve", "--policy", policy)
    #expect(open.errorText.contains("can be changed by other users"))
    let missing = try await sandbox.telpher("serve", "--policy", policy + "x")
    #expect(missing.errorText.contains("cannot open"))
    let root = try await sandbox.telpher("serve", "--policy", policy, "--root", files)
    #expect(root.errorText.contains("--policy cannot be combined with --root"))
  }
}

/// Waits until the process has ended whose id a command has printed.
func ends(_ line: String) async throws {
  let pid = try #require(Int32(line.dropLast()), "\(line)")
  try await eventually("process \(pid) ends") { !isRunning(pid) }
}
