import Glibc
import TelpherTestSupport
import Testing

struct SignalTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2])
  func aSignalIsForwarded(_ signal: Int32) async throws {
    let child = try sandbox.start([
      "run", "--", "sh", "-c",
      "trap 'echo got; exit 9' \(signal); echo ready; while :; do sleep 0.01; done",
    ])
    #expect(await child.line() == "ready")
    child.signal(signal)
    #expect(await child.line() == "got")
    #expect(await child.finish().status == 9)
  }

  @Test func anInterruptEndsTheCommand() async throws {
    let child = try sandbox.start(["run", "--", "sh", "-c", "echo ready; exec sleep 600"])
    #expect(await child.line() == "ready")
    child.signal(SIGINT)
    #expect(await child.finish().status == 130)
  }

  @Test func theSecondSignalEndsTheClientAlsoIfNothingReadsItsOutput() async throws {
    let result = try await sandbox.shell(
      """
      cd "$HOME"; mkfifo full; exec 3<>full
      telpher run -- sh -c 'trap "" TERM; exec yes' >full 2>&1 & client=$!
      blocked() { cat /proc/$client/task/*/syscall 2>/dev/null | grep -q '^1 0x[12] '; }
      running() { [ -e /proc/$client/stat ] && ! grep -q '^State:.Z' /proc/$client/status; }
      until blocked || ! running; do sleep 0.02; done
      while running; do kill -TERM $client; sleep 0.02; done
      wait $client; echo $?
      """)
    #expect(result.text == "143\n")
  }

  @Test(arguments: [[SIGINT, SIGTERM], [SIGTERM, SIGHUP], [SIGQUIT, SIGINT]])
  func theSecondSignalEndsTheClientAtOnce(_ signals: [Int32]) async throws {
    let child = try sandbox.start([
      "run", "--grace", "100ms", "--", "sh", "-c",
      "trap 'echo got' \(signals[0]); trap '' TERM; echo $$; while :; do sleep 0.01; done",
    ])
    let pid = try #require(Int32(await child.line() ?? ""))
    child.signal(signals[0])
    if signals[0] != SIGTERM { #expect(await child.line() == "got") }
    while isPending(signals[0], child.pid), isRunning(child.pid) {
      try await Task.sleep(for: .milliseconds(2))
    }
    child.signal(signals[1])
    let result = await child.finish()
    #expect(result.status == 128 + signals[1])
    #expect(result.errorText.contains("telpher: ended by a second signal"))
    #expect(try await isGone(pid))
  }

  /// Whether a signal to process `pid` is still pending (SigPnd and ShdPnd of proc(5)).
  private func isPending(_ signal: Int32, _ pid: Int32) -> Bool {
    isSet(signal, in: ["SigPnd:", "ShdPnd:"], of: pid)
  }

  /// Whether process `pid` has started its program and handles a signal (SigCgt of proc(5)). Before
  /// execve(2) it has the handlers of this process.
  private func isCaught(_ signal: Int32, _ pid: Int32) -> Bool {
    guard let program = realpath("/proc/\(pid)/exe", nil) else { return false }
    defer { free(program) }
    guard String(cString: program).hasSuffix("/telpher") else { return false }
    return isSet(signal, in: ["SigCgt:"], of: pid)
  }

  private func isSet(_ signal: Int32, in names: [String], of pid: Int32) -> Bool {
    let file = open("/proc/\(pid)/status", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 8_192)
    let count = read(file, &bytes, bytes.count)
    let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    return text.split(separator: "\n").contains { line in
      guard names.contains(where: line.hasPrefix) else { return false }
      let set = UInt64(line.split(whereSeparator: \.isWhitespace).last ?? "0", radix: 16) ?? 0
      return set & (1 << UInt64(signal - 1)) != 0
    }
  }

  /// SIGSTOP keeps the server from answering, like a machine that hangs.
  @Test func aStoppedServerDoesNotKeepTheClientFromEnding() async throws {
    let (server, _) = try await sandbox.serve()
    let child = try sandbox.start(["run", "--json", "--", "sh", "-c", "echo >&2; exec sleep 600"])
    while try await sandbox.telpher("info").text.contains("running: 0\n"), isRunning(child.pid) {}
    try await suspend(server.pid)
    child.signal(SIGINT)
    while isPending(SIGINT, child.pid), isRunning(child.pid) {
      try await Task.sleep(for: .milliseconds(2))
    }
    child.signal(SIGTERM)
    let result = await child.finish()
    #expect(result.status == 128 + SIGTERM)
    #expect(result.text.contains(#""result":"interrupted""#))
    server.signal(SIGCONT)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  /// On a busy machine the deadline may pass before the server is stopped, so a later one is tried.
  @Test(arguments: [[3, 12, 48]])
  func aDeadlineHoldsIfTheServerIsStopped(_ deadlines: [Int]) async throws {
    for seconds in deadlines {
      let (server, _) = try await sandbox.serve()
      let child = try sandbox.start([
        "run", "--timeout", "\(seconds)s", "--grace", "100ms", "--", "sh", "-c",
        "echo ready; exec sleep 6000",
      ])
      #expect(await child.line() == "ready")
      server.signal(SIGSTOP)
      let result = await child.finish()
      server.signal(SIGKILL)
      _ = await server.finish()
      #expect(result.status == 124)
      if result.errorText == "telpher: ended at its deadline of \(seconds * 1_000) ms\n" {
        continue
      }
      #expect(
        result.errorText
          == "telpher: the deadline of \(seconds * 1_000) ms passed and the server does not answer: the command may still run there\n"
      )
      return
    }
    Issue.record("the server was never stopped before the deadline")
  }

  /// Calls `body` with a server that was stopped before any client connected, and ends the server.
  private func withStoppedServer(_ body: () async throws -> Void) async throws {
    let (server, _) = try await sandbox.serve()
    try await suspend(server.pid)
    let result: Result<Void, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    server.signal(SIGKILL)
    _ = await server.finish()
    try result.get()
  }

  /// Starts a client, and sends it SIGINT as soon as it handles that signal. It must wait for the
  /// server for longer than this process may take to notice, which is busy with other tests.
  private func interrupted(_ command: String, _ arguments: [String]) async throws -> Finished {
    let child = try sandbox.start([command, "--connect-timeout", "10m"] + arguments)
    while !isCaught(SIGINT, child.pid) {
      try #require(isRunning(child.pid), "the client ended before it handled SIGINT")
      try await Task.sleep(for: .milliseconds(2))
    }
    child.signal(SIGINT)
    return await child.finish()
  }

  @Test func connectTimeoutLimitsTheHandshake() async throws {
    try await withStoppedServer {
      for command in [["run", "--", "true"], ["ping"], ["info"], ["ls"]] {
        let arguments = [command[0], "--connect-timeout", "300ms"] + command.dropFirst()
        let result = await (try sandbox.start(arguments)).finish()
        #expect(result.status == 125)
        #expect(result.errorText.contains("no answer within 300 ms"))
      }
    }
  }

  @Test func theFirstSignalEndsAClientThatTheServerHasNotAnswered() async throws {
    try await withStoppedServer {
      let result = try await interrupted("run", ["--", "true"])
      #expect(result.status == 130)
      #expect(result.errorText.contains("ended by a signal before the server answered"))
    }
  }

  @Test func oneSignalEndsATransferWhoseServerIsStopped() async throws {
    sandbox.write("x", to: sandbox.folder + "/source")
    try await withStoppedServer {
      let result = try await interrupted("put", [sandbox.folder + "/source", "copy"])
      #expect(result.status == 130)
      #expect(result.errorText.contains("interrupted before the server answered"))
    }
  }

  @Test func aDeadlineHoldsIfTheServerNeverAnswers() async throws {
    try await withStoppedServer {
      let result = await (try sandbox.start(["run", "--timeout", "100ms", "--", "true"])).finish()
      #expect(result.status == 124)
      #expect(result.errorText.contains("the deadline of 100 ms passed"))
    }
  }

  @Test func aSignalIgnoredByNohupStaysIgnored() async throws {
    let result = try await sandbox.shell(
      """
      mkfifo "$HOME/gate"
      (trap '' HUP; exec telpher run -- sh -c 'echo ready; cat "$HOME/gate"; echo done') >"$HOME/out" &
      while ! grep -q ready "$HOME/out"; do sleep 0.01; done
      kill -HUP $!; : >"$HOME/gate"; wait $!; echo $?; cat "$HOME/out"
      """)
    #expect(result.text == "0\nready\ndone\n")
  }

  /// SIGKILL, which the client can't handle.
  @Test(arguments: [true, false])
  func killingTheClientEndsItsCommand(_ hasServer: Bool) async throws {
    let server = hasServer ? try await sandbox.serve().server : nil
    let child = try sandbox.start([
      "run", "--grace", "200ms", "--", "sh", "-c",
      "setsid sleep 999 & echo $!; (trap '' TERM; sleep 999 & echo $!; wait; wait) & echo $$; wait",
    ])
    var pids: [Int32] = []
    while pids.count < 3, let line = await child.line(), let pid = Int32(line) { pids.append(pid) }
    #expect(pids.count == 3 && pids.allSatisfy(isRunning))
    child.signal(SIGKILL)
    #expect(await child.wait() == 137)
    for pid in pids { #expect(try await isGone(pid)) }
    server?.signal(SIGTERM)
  }
}
