import Glibc
import Testing

struct ServeTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func aServerAtTheDefaultSocketIsUsed() async throws {
    let (server, addresses) = try await sandbox.serve()
    #expect(addresses == ["unix:\(sandbox.socket)"])
    #expect(mode(of: sandbox.socket) == 0o600)
    let parent = try await sandbox.telpher("run", "--", "sh", "-c", "echo $PPID")
    #expect(parent.text == "\(server.pid)\n")
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
    #expect(mode(of: sandbox.socket) == nil)
  }

  /// With the terminal, a command could read what is typed at the server, or be stopped by SIGTTIN.
  @Test func commandsCanNotUseTheServersTerminal() async throws {
    let server = try TerminalChild(
      [Sandbox.program, "serve", "--log-level", "error"], environment: sandbox.environment,
      directory: sandbox.folder)
    #expect(await server.find("listening on "))
    let opened = try await sandbox.telpher(
      "run", "--", "sh", "-c", "ps -o tty= -p $$ $PPID; : </dev/tty")
    let terminals = opened.text.split(separator: "\n").map { $0.trimmingPrefix(" ") }
    #expect(terminals.count == 2 && Set(terminals).count == 2 && terminals.contains("?"))
    #expect(opened.status != 0)
    #expect(opened.errorText.contains("/dev/tty"))
    // The server itself still has it.
    server.type("\u{3}")
    #expect(await server.finish().status == 0)
  }

  @Test func theDefaultFolderIsMadeWithMode700() async throws {
    let folder = sandbox.folder + "/fresh"
    let server = try sandbox.start(["serve"], environment: ["XDG_RUNTIME_DIR": folder])
    #expect(await server.line() == "listening on unix:\(folder)/telpher.sock")
    #expect(mode(of: folder) == 0o700)
    server.signal(SIGINT)
    #expect(await server.finish().status == 0)
  }

  @Test func aServerRefusesAFolderThatOthersCanEnter() async throws {
    let open = sandbox.folder + "/open"
    mkdir(open, 0o755)
    let link = sandbox.folder + "/link"
    symlink(sandbox.folder + "/run", link)
    for folder in [open, link] {
      let result = try await sandbox.telpher("serve", environment: ["XDG_RUNTIME_DIR": folder])
      #expect(result.status == 125)
      #expect(result.errorText.hasPrefix("telpher: "))
      #expect(result.errorText.contains(folder))
    }
  }

  @Test func aClientIgnoresASocketInAFolderThatOthersCanEnter() async throws {
    // In a folder that is open to all, another user's server must not get this user's commands.
    let (server, addresses) = try await sandbox.serve(
      "--listen", "unix:\(sandbox.folder)/telpher.sock")
    chmod(sandbox.folder, 0o755)
    let result = try await sandbox.telpher(
      "run", "--", "sh", "-c", "echo $PPID", environment: ["XDG_RUNTIME_DIR": sandbox.folder])
    #expect(addresses.count == 1)
    #expect(result.text != "\(server.pid)\n" && result.status == 0)
    #expect(result.errorText.contains("others can enter the folder \(sandbox.folder)"))
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func theSocketOfAKilledServerIsReportedAndReplaced() async throws {
    let (first, _) = try await sandbox.serve()
    first.signal(SIGKILL)
    #expect(await first.wait() == 137)
    #expect(mode(of: sandbox.socket) != nil)
    let embedded = try await sandbox.telpher("run", "--", "echo", "embedded")
    #expect(embedded.text == "embedded\n")
    #expect(
      embedded.errorText
        == "telpher: no server answers at unix:\(sandbox.socket), a socket that an earlier server left; telpher starts a temporary server for this command\n"
    )
    let (second, _) = try await sandbox.serve()
    second.signal(SIGTERM)
    #expect(await second.finish().status == 0)
  }

  @Test func commandsCanBeStartedByUVSpawn() async throws {
    let (server, _) = try await sandbox.serve("--spawn", "uv")
    let result = try await sandbox.telpher(
      "run", "--", "sh", "-c", "echo $PPID; exit 7")
    #expect(result.text == "\(server.pid)\n")
    #expect(result.status == 7)
    #expect(
      try await sandbox.telpher("info", "--json").text.contains(#""kill_scope":"descendants""#))
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func aSecondServerAtTheSameSocketFails() async throws {
    let (server, _) = try await sandbox.serve()
    let second = try await sandbox.telpher("serve")
    #expect(second.status == 125)
    #expect(
      second.errorText.hasSuffix(
        "another server already listens there; choose another address with --listen\n"))
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func aRestartedServerCanUseItsPortAtOnce() async throws {
    let (first, addresses) = try await sandbox.serve("--listen", "tcp:127.0.0.1:0")
    let address = try #require(addresses.first)
    #expect(try await sandbox.telpher("run", "--on", address, "--", "true").status == 0)
    first.signal(SIGTERM)
    #expect(await first.finish().status == 0)
    let (second, again) = try await sandbox.serve("--listen", address)
    #expect(again == [address])
    second.signal(SIGTERM)
    #expect(await second.finish().status == 0)
  }

  @Test func theFirstSignalLetsCommandsFinish() async throws {
    let (server, _) = try await sandbox.serve("--drain-limit", "10m")
    let client = try sandbox.start(["run", "-i", "--", "cat"], input: .pipe)
    await client.write("x\n")
    #expect(await client.line() == "x")
    server.signal(SIGTERM)
    // The server removes its socket at once, so new clients cannot connect.
    while mode(of: sandbox.socket) != nil, isRunning(server.pid) {
      try await Task.sleep(for: .milliseconds(5))
    }
    // While the server is ending, a client fails and does not start a temporary server.
    for command in [["run", "--", "true"], ["info"], ["ls"]] {
      let refused = await (try sandbox.start(command)).finish()
      #expect(refused.status == 125)
      #expect(
        refused.errorText.hasPrefix(
          "telpher: your server at unix:\(sandbox.socket) takes no connections"))
    }
    await client.write("y\n")
    client.closeInput()
    let result = await client.finish()
    #expect(result.text == "y\n" && result.status == 0)
    let ended = await server.finish()
    #expect(ended.status == 0)
    #expect(ended.errorText.contains("waiting for 1 running command "))
    #expect(ended.errorText.contains("a second Ctrl-C or SIGTERM ends them at once"))
    #expect(try await sandbox.telpher("run", "--", "true").errorText.isEmpty)
  }

  @Test func theDrainLimitEndsTheRemainingCommands() async throws {
    let (server, _) = try await sandbox.serve("--drain-limit", "100ms")
    let client = try sandbox.start(["run", "--", "sh", "-c", "echo x; exec sleep 6000"])
    #expect(await client.line() == "x")
    server.signal(SIGTERM)
    let ended = await server.finish()
    #expect(ended.status == 0)
    #expect(ended.errorText.contains("for 100 ms at most"))
    #expect(await client.finish().status != 0)
  }

  /// XDG_RUNTIME_DIR is missing after su(1) and in cron(8).
  @Test func withoutARuntimeFolderTheTemporaryServerIsReported() async throws {
    // An empty value counts as missing.
    let result = try await sandbox.telpher(
      "run", "--", "echo", "x", environment: ["XDG_RUNTIME_DIR": ""])
    // This user's own server may run at the fallback socket, which the sandbox can't change.
    guard result.errorText != "" else { return }
    #expect(result.errorText.hasPrefix("telpher: XDG_RUNTIME_DIR is not set"))
  }

  @Test func anUnusableRuntimeFolderIsReported() async throws {
    let result = try await sandbox.telpher(
      "run", "--", "echo", "x", environment: ["XDG_RUNTIME_DIR": sandbox.folder + "/missing"])
    #expect(result.text == "x\n")
    // This user's own server may run at the fallback socket, which the sandbox can't change.
    guard access("/run/user/\(geteuid())/telpher.sock", F_OK) != 0 else { return }
    #expect(result.errorText.hasPrefix("telpher: XDG_RUNTIME_DIR names a folder that is not used:"))
    #expect(result.errorText.contains("starts a temporary server"))
  }

  @Test func clientTimeoutEndsTheCommandOfAStoppedClient() async throws {
    let (server, _) = try await sandbox.serve("--client-timeout", "300ms")
    let client = try sandbox.start(["run", "--", "sh", "-c", "echo $$; exec sleep 60"])
    let pid = try #require(await client.line().flatMap { Int32($0) })
    client.signal(SIGSTOP)
    #expect(try await isGone(pid))
    client.signal(SIGCONT)
    let result = await client.finish()
    #expect(result.status == 125)
    #expect(
      result.errorText.contains(
        "the server disconnected this client: nothing has arrived for"))
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func aSecondSignalEndsCommandsAtOnce() async throws {
    let (server, _) = try await sandbox.serve()
    let client = try sandbox.start([
      "run", "--", "sh", "-c", "trap '' TERM; echo $$; sleep 60; sleep 60",
    ])
    let pid = try #require(await client.line().flatMap { Int32($0) })
    server.signal(SIGTERM)
    while mode(of: sandbox.socket) != nil, isRunning(server.pid) {
      try await Task.sleep(for: .milliseconds(5))
    }
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
    #expect(await client.finish().status == 125)
    #expect(try await isGone(pid))
  }

  @Test func anHTTPRequestGetsAnErrorAndDoesNotDisturbTheServer() async throws {
    let (server, addresses) = try await sandbox.serve("--loops", "2")
    let garbage = try connectTo(sandbox.socket)
    #expect(await exchange(garbage, "GET / HTTP/1.1\r\n\r\n").contains("TELPHER1"))
    #expect(addresses.count == 1)
    #expect(try await sandbox.telpher("run", "--", "echo", "x").text == "x\n")
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func nothingButTheAnnouncementsIsOnStandardOutput() async throws {
    let (server, _) = try await sandbox.serve("--log-level", "trace")
    #expect(try await sandbox.telpher("run", "--", "true").status == 0)
    server.signal(SIGTERM)
    let result = await server.finish()
    #expect(result.output.isEmpty)
    #expect(result.errorText.contains("telpher"))
  }

  @Test(arguments: [
    ["--listen", "nonsense"], ["--listen", "stdio", "--listen", "unix:/tmp/x"], ["--loops", "0"],
    ["--log-level", "loud"], ["--max-connections", "0"], ["--spawn", "fork"],
  ])
  func badOptionsAreUsageErrors(_ arguments: [String]) async throws {
    let result = await (try sandbox.start(["serve"] + arguments)).finish()
    #expect(result.status == 64)
    #expect(result.errorText.hasPrefix("telpher: "))
  }

  @Test func listeningInAMissingFolderSaysHowToMakeIt() async throws {
    let folder = sandbox.folder + "/none"
    let result = try await sandbox.telpher("serve", "--listen", "unix:\(folder)/x")
    #expect(result.status == 125)
    #expect(
      result.errorText
        == "telpher: cannot listen at unix:\(folder)/x: the folder \(folder) is missing; make it with 'mkdir -p \(folder)'\n"
    )
  }

  @Test func aConnectionPastTheLimitGetsTheReason() async throws {
    let (server, _) = try await sandbox.serve("--max-connections", "1")
    let holder = try sandbox.start(["run", "-i", "--", "cat"], input: .pipe)
    await holder.write("x\n")
    #expect(await holder.line() == "x")
    let refused = try await sandbox.telpher("run", "--", "true")
    #expect(refused.status == 125)
    #expect(refused.errorText.contains("max_connections"))
    holder.closeInput()
    #expect(await holder.finish().status == 0)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }
}

/// Connects to the Unix socket at `path`.
private func connectTo(_ path: String) throws -> Int32 {
  let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8).prefix(107)) }
  let result = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
    }
  }
  guard result == 0 else { throw Failed("connect to \(path): \(errno)") }
  return descriptor
}

/// Sends `text`, returns all that the server sends until it closes, and closes the connection.
private func exchange(_ descriptor: Int32, _ text: String) async -> String {
  await onThread {
    let bytes = Array(text.utf8)
    _ = write(descriptor, bytes, bytes.count)
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { break }
      answer += buffer[..<count]
      // The answer has arrived; now only the end of the connection is missing.
      shutdown(descriptor, Int32(SHUT_WR))
    }
    close(descriptor)
    return String(decoding: answer, as: UTF8.self)
  }
}
