import Glibc
import TelpherTestSupport
import TelpherTransport
import Testing

/// A server of root that acts as other users, for rules with `run_as`.
@Suite(
  .timeLimit(.minutes(10)),
  .enabled(if: geteuid() == 0, "only root can act as another user"))
struct RunAsTests {
  private let sandbox: Sandbox
  /// A folder that other users may enter.
  private let open: String
  private var policy: String { sandbox.folder + "/policy.yml" }

  init() throws {
    sandbox = try Sandbox()
    open = sandbox.folder + "/open"
    mkdir(open, 0o755)
    chmod(sandbox.folder, 0o755)
    chmod(open, 0o755)
  }

  private func withServer(
    _ rules: String, _ arguments: [String] = [], body: () async throws -> Void
  ) async throws {
    sandbox.write("rules:\n  - \(rules)\n", to: policy)
    let server = try sandbox.start(
      ["serve", "--policy", policy, "--audit", sandbox.folder + "/audit"] + arguments)
    guard await server.line()?.hasPrefix("listening on ") == true else {
      throw Failed("no server: \(await server.finish().errorText)")
    }
    let result: Result<Void, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
    try result.get()
  }

  private func telpher(_ arguments: String...) async throws -> Finished {
    try await sandbox.start(
      [arguments[0], "--on", "unix:\(sandbox.socket)"] + arguments.dropFirst()
    ).finish()
  }

  @Test func `A command runs as the user, with its groups, home and shell`() async throws {
    let entry = try #require(getpwnam("daemon"))
    let home = String(cString: entry.pointee.pw_dir)
    let groups = try await sandbox.shell("id -G daemon").text
    try await withServer("{for: owner, allow: all, run_as: daemon}") {
      let ids = try await telpher("run", "--", "sh", "-c", "id -u; id -ru; id -g; id -G; pwd")
      let group = "\(entry.pointee.pw_gid)"
      #expect(
        ids.text
          == "\(entry.pointee.pw_uid)\n\(entry.pointee.pw_uid)\n\(group)\n\(groups)\(home)\n",
        "\(ids.errorText)")
      let variables = try await telpher("run", "--", "env")
      for line in ["HOME=\(home)", "USER=daemon", "LOGNAME=daemon"] {
        #expect("\n\(variables.text)".contains("\n\(line)\n"), "\(variables.text)")
      }
      #expect(!variables.text.contains(sandbox.folder), "no variable of the server is passed on")
    }
    let recorded = try await sandbox.shell("grep -c '\"user\":\(entry.pointee.pw_uid)' ~/audit")
    #expect(recorded.text == "2\n")
  }

  @Test func `A command can't get root back`() async throws {
    // A program that runs as root, whichever user starts it.
    let copied = try await sandbox.shell(
      "cp \"$(command -v id)\" '\(open)/id' && chmod 4755 '\(open)/id'")
    #expect(copied.status == 0)
    try await withServer("{for: owner, allow: all, run_as: nobody}") {
      #expect(try await telpher("run", "--", open + "/id", "-u").text == "65534\n")
      let status = try await telpher("run", "--", "cat", "/proc/self/status")
      #expect(status.text.contains("NoNewPrivs:\t1\n"))
      for line in ["Uid:", "Gid:"] {
        let ids = "\(line)\t65534\t65534\t65534\t65534\n"
        #expect(status.text.contains(ids), "\(status.text)")
      }
      for set in ["CapPrm", "CapEff", "CapAmb", "CapInh"] {
        #expect(status.text.contains("\(set):\t0000000000000000\n"), "\(status.text)")
      }
      let attempts = """
        import os
        for attempt in (lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setgid(0),
                        lambda: os.setgroups([0]), lambda: os.setresuid(0, 0, 0),
                        lambda: open('\(policy)').close(), lambda: os.chown('\(open)', 65534, 0),
                        lambda: os.listdir('\(sandbox.folder)/.local/state/telpher/jobs-as')):
            try:
                attempt()
                print('granted')
            except PermissionError:
                print('denied')
        """
      let python = try await telpher("run", "--", "/usr/bin/env", "python3", "-c", attempts)
      if python.status != 127 {
        #expect(python.text == String(repeating: "denied\n", count: 8), "\(python.errorText)")
      }
    }
  }

  @Test func `A command has no keys, no priority and no umask of root's server`() async throws {
    let secret = "telpher-test-\(getpid())"
    // keyctl(2): the server starts in a session keyring with a key of root's, with a higher priority
    // and with umask 0. 250 is keyctl's number on x86_64, 248 add_key's.
    let start = """
      import ctypes, os, sys
      call = ctypes.CDLL(None, use_errno=True).syscall
      if call(250, 1, None) < 0:
          sys.exit(f'no keyrings: {os.strerror(ctypes.get_errno())}')
      call(248, b'user', b'\(secret)', b'secret', 6, -3)
      os.umask(0)
      os.nice(-5)
      os.execvp(sys.argv[1], sys.argv[1:])
      """
    let inside = """
      import ctypes, os
      call = ctypes.CDLL(None, use_errno=True).syscall
      print(call(250, 10, -3, b'user', b'\(secret)', 0), os.strerror(ctypes.get_errno()))
      print(os.nice(0), oct(os.umask(0)))
      print(open('/proc/self/oom_score_adj').read().strip())
      """
    #if arch(x86_64)
      let script = sandbox.folder + "/start.py"
      sandbox.write(start, to: script)
      sandbox.write("rules:\n  - {for: owner, allow: all, run_as: nobody}\n", to: policy)
      let server = try Child(
        ["env", "python3", script, Sandbox.program, "serve", "--policy", policy],
        environment: sandbox.environment)
      guard await server.line()?.hasPrefix("listening on ") == true else {
        let message = await server.finish().errorText
        if message.hasPrefix("no keyrings") { return }
        throw Failed("no server: \(message)")
      }
      let own = Int(try await sandbox.shell("cat /proc/self/oom_score_adj").text.dropLast())
      let found = try await telpher("run", "--", "/usr/bin/env", "python3", "-c", inside)
      #expect(
        found.text == "-1 Required key not available\n0 0o22\n\(max(try #require(own), 0))\n",
        "\(found.errorText)")
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
    #endif
  }

  @Test func `Files are opened as the user`() async throws {
    sandbox.write("secret\n", to: open + "/secret")
    mkdir(open + "/in", 0o700)
    chown(open + "/in", 65534, 65534)
    sandbox.write("new\n", to: sandbox.folder + "/new")
    try await withServer("{for: owner, read: ['\(open)'], write: ['\(open)/in'], run_as: nobody}") {
      let secret = try await telpher("get", open + "/secret", sandbox.folder + "/got")
      #expect(secret.status != 0)
      #expect(secret.errorText.contains("Permission denied"), "\(secret.errorText)")
      #expect(access(sandbox.folder + "/got", F_OK) != 0)
      let put = try await telpher("put", sandbox.folder + "/new", open + "/in/new")
      #expect(put.status == 0, "\(put.errorText)")
      var status = stat()
      #expect(stat(open + "/in/new", &status) == 0)
      #expect(status.st_uid == 65534 && status.st_gid == 65534)
      #expect(try await telpher("get", open + "/in/new", sandbox.folder + "/got").status == 0)
      #expect(try await sandbox.text(of: sandbox.folder + "/got") == "new\n")
      let listed = try await telpher("ls", open)
      #expect(listed.text == "in/\nsecret\n", "\(listed.errorText)")
      let outside = try await telpher("put", sandbox.folder + "/new", open + "/out")
      #expect(outside.errorText.contains("you may"), "\(outside.errorText)")
      #expect(try await telpher("rm", open + "/in/new").status == 0)
      #expect(try await telpher("run", "--", "true").errorText.contains("you may not run"))
    }
    let audit = try await sandbox.telpher("audit", sandbox.folder + "/audit")
    let writes = audit.text.split(separator: "\n").filter { $0.contains(" write ") }
    #expect(writes.count == 1, "\(audit.text)")
    #expect(writes.first?.hasSuffix(" \(open)/in/new") == true, "\(audit.text)")
  }

  @Test func `Commands and limits work as with the server's own user`() async throws {
    try await withServer(
      "{for: owner, commands: any, run_as: nobody, limits: {cpu-time: 7, concurrency: 1}}"
    ) {
      let limits = try await telpher("run", "--cpu-time", "3", "--", "sh", "-c", "ulimit -t")
      #expect(limits.text == "3\n", "\(limits.errorText)")
      #expect(try await telpher("run", "--", "sh", "-c", "ulimit -t; exit 3").status == 3)
      let first = try sandbox.start(
        ["run", "--on", "unix:\(sandbox.socket)", "-i", "--", "cat"], input: .pipe)
      await first.write("x\n")
      #expect(await first.line() == "x")
      let full = try await telpher("run", "--", "true")
      #expect(full.errorText.contains("run 1 commands and durable jobs at once"))
      let listed = try await telpher("ps")
      #expect(listed.text.contains("cat"), "\(listed.text)\(listed.errorText)")
      let id = listed.text.split(separator: "\n").last?.split(separator: " ").first ?? "?"
      #expect(try await telpher("kill", String(id)).status == 0)
      _ = await first.finish()
    }
  }

  @Test func `What a command leaves behind ends at the time of the rule`() async throws {
    try await withServer("{for: owner, allow: all, run_as: daemon, limits: {time: 1500ms}}") {
      let left = try await telpher("run", "--shell", PolicyServerTests.leavesBehind)
      try await ends(left.text)
    }
  }

  @Test func `Limits of whole commands hold if the server can have control groups`() async throws {
    try await withServer("{for: owner, allow: all, run_as: nobody, limits: {pids: 20}}") {
      let info = try await telpher("info")
      let limits = info.text.split(separator: "\n").first { $0.contains("enforceable limits") }
      // A process that no group limits has more than 20 children.
      let many =
        "for i in $(seq 40); do sleep 0.2 & done; wait; echo all"
      let limited = try await telpher("run", "--", "sh", "-c", many)
      guard limits?.contains("pids") == true else {
        #expect(limited.status == 125)
        #expect(
          limited.errorText.contains("can't enforce the limit 'pids'"), "\(limited.errorText)")
        return
      }
      #expect(limited.status != 0 && limited.status != 125, "\(limited.errorText)")
      #expect(limited.errorText.contains("fork"), "\(limited.errorText)")
      #expect(try await telpher("run", "--pids", "10", "--", "id", "-u").text == "65534\n")
      let more = try await telpher("run", "--pids", "21", "--", "true")
      #expect(more.errorText.contains("more than this server allows"), "\(more.errorText)")
      let grown = try await telpher(
        "run", "--memory", "32M", "--", "/usr/bin/env", "python3", "-c",
        "b = bytearray(256 << 20); print(len(b))")
      #expect(grown.status == 137 || grown.status == 127, "\(grown.errorText)")
      if grown.status == 137 { #expect(grown.errorText.contains("out of memory")) }
    }
  }

  @Test func `Another user gets in if the policy names it, and may do what its rules allow`()
    async throws
  {
    // Where other users can reach the socket.
    let socket = open + "/s"
    func asUser(_ user: String, _ arguments: String) async throws -> Finished {
      try await sandbox.shell(
        "cp -n '\(Sandbox.program)' \(open)/telpher; chmod 755 \(open)/telpher; cd /; HOME=/nonexistent XDG_RUNTIME_DIR= exec setpriv --reuid \(user) --regid 65534 --clear-groups \(open)/telpher \(arguments)"
      )
    }
    for (rule, isIn) in [
      ("'user:daemon'", true), ("'uid:1'", true), ("'uid:65534'", false), ("'*'", false),
    ] {
      sandbox.write(
        """
        rules:
          - {for: owner, allow: all}
          - {for: \(rule), commands: [[id, "-u"]], run_as: nobody}

        """, to: policy)
      let (server, _) = try await sandbox.serve(
        "--listen", "unix:\(socket)", "--policy", policy, "--audit", sandbox.folder + "/audit")
      let finished = try await asUser("1", "run --on unix:\(socket) -- id -u")
      #expect(
        (finished.text == "65534\n") == isIn, "\(rule): \(finished.text) \(finished.errorText)")
      if isIn {
        let denied = try await asUser("1", "run --on unix:\(socket) -- true")
        #expect(denied.errorText.contains("you may not run this command"), "\(denied.errorText)")
        // Users that no rule names.
        let other = try await asUser("2", "run --on unix:\(socket) -- id -u")
        #expect(other.errorText.contains("user 2 may not use this server"), "\(other.errorText)")
      } else {
        #expect(finished.status == 125)
      }
      #expect(mode(of: socket) == (rule == "'*'" ? 0o600 : 0o666))
      let owner = try await sandbox.telpher("run", "--on", "unix:\(socket)", "--", "id", "-u")
      #expect(owner.text == "0\n", "\(owner.errorText)")
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
    }
    let audit = try await sandbox.telpher("audit", sandbox.folder + "/audit", "--identity", "uid:1")
    #expect(audit.text.contains("by user"), "\(audit.text)")
    #expect(audit.text.contains("id -u"), "\(audit.text)")
    let explained = try await sandbox.shell(
      "telpher policy explain --policy \(policy) --as uid:1 -- id -u; telpher policy explain --policy \(policy) --as user:daemon -- true"
    )
    #expect(explained.text.contains("allowed by the rule on line 3: as the user nobody"))
    #expect(explained.text.contains("denied"), "\(explained.text)")
  }

  @Test func `A new limit of commands counts those that run`() async throws {
    let log = sandbox.folder + "/log"
    func rules(_ most: Int) -> String {
      """
      rules:
        - {for: owner, commands: [[id]], run_as: nobody}
        - {for: owner, commands: any, run_as: nobody, limits: {concurrency: \(most)}}

      """
    }
    sandbox.write(rules(1), to: policy)
    let server = try Child(
      ["/bin/sh", "-c", "exec '\(Sandbox.program)' serve --policy '\(policy)' 2>'\(log)'"],
      environment: sandbox.environment)
    #expect(await server.line()?.hasPrefix("listening") == true)
    func start() async throws -> Child {
      let cat = try sandbox.start(
        ["run", "--on", "unix:\(sandbox.socket)", "-i", "--", "cat"], input: .pipe)
      await cat.write("x\n")
      #expect(await cat.line() == "x")
      return cat
    }
    let first = try await start()
    sandbox.write(rules(2), to: policy)
    server.signal(SIGHUP)
    try await eventually("the server has read the policy again") {
      try await sandbox.text(of: log)?.contains("read the policy again") == true
    }
    let second = try await start()
    let full = try await telpher("run", "--", "true")
    #expect(full.errorText.contains("run 2 commands and durable jobs at once"))
    // The first rule has no limit; the client still sees and ends all its commands as this user.
    let listed = try await telpher("ps")
    #expect(listed.text.split(separator: "\n").count { $0.contains("cat") } == 2, "\(listed.text)")
    for line in listed.text.split(separator: "\n") where line.contains("cat") {
      let id = String(line.split(separator: " ").first ?? "?")
      #expect(try await telpher("kill", id).status == 0)
    }
    _ = await first.finish()
    _ = await second.finish()
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func `A connection is taken from the process of the user that listens`() async throws {
    let loop = try SystemBackend.uv.makeLoop()
    let service = try await PlainListener.start(
      at: .tcp(host: "127.0.0.1", port: 0), on: loop, echoes: true)
    try await withServer(
      """
      {for: owner, listen: 'unix:\(open)/other', run_as: daemon}
        - {for: owner, listen: 'tcp:127.0.0.1:*', run_as: nobody}
      """
    ) {
      let forward = try sandbox.start(
        [
          "forward", "--on", "unix:\(sandbox.socket)", "--json", "--reverse",
          "\(service.address)", "tcp:127.0.0.1:0",
        ])
      let line = try #require(await forward.line())
      let found = try #require(line.firstRange(of: #""address":""#))
      let text = line[found.upperBound...].prefix { $0 != "\"" }
      for _ in 0..<2 {
        let program = try await PlainSocket.connect(
          to: try SocketAddress(parsing: String(text)), on: loop)
        await program.send("hello")
        await program.finishWriting()
        try await program.ended()
        #expect(await program.text == "hello")
        await program.close()
      }
      forward.signal(SIGTERM)
      _ = await forward.finish()
    }
    await service.stop()
  }

  @Test func `A user that does not exist is a mistake of the policy`() async throws {
    sandbox.write("rules:\n  - {for: owner, allow: all, run_as: no-such-user}\n", to: policy)
    let server = try await sandbox.telpher("serve", "--policy", policy)
    #expect(server.status != 0)
    #expect(server.errorText.contains("policy.yml:2: 'run_as': there is no user 'no-such-user'"))
  }
}
