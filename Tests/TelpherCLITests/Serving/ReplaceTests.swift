import Glibc
import Synchronization
import TelpherTestSupport
import Testing

/// `serve --replace` and SIGUSR2: a new process takes the place of a running server.
struct ReplaceTests {
  private let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  /// The process that serves the default socket now.
  private func current() async throws -> String {
    try await sandbox.telpher("run", "--", "sh", "-c", "echo $PPID").text
  }

  private func end(_ servers: Child...) async {
    for server in servers {
      server.signal(SIGTERM)
      #expect(await server.wait() == 0)
    }
  }

  @Test func theOldServerFinishesItsCommandsAndTheNewOneServes() async throws {
    let gate = sandbox.folder + "/gate"
    mkfifo(gate, 0o600)
    let (old, _) = try await sandbox.serve()
    let run = try sandbox.start([
      "run", "--", "sh", "-c", "echo here; read line <'\(gate)'; echo $line $PPID; exit 7",
    ])
    #expect(await run.line() == "here")
    let (new, addresses) = try await sandbox.serve("--replace")
    #expect(addresses == ["unix:\(sandbox.socket)"])
    #expect(try await current() == "\(new.pid)\n")
    #expect(try await sandbox.shell("echo after >'\(gate)'").status == 0)
    let end = await run.finish()
    #expect(end.text == "after \(old.pid)\n")
    #expect(end.status == 7)
    let log = await old.finish()
    #expect(log.status == 0)
    #expect(log.errorText.contains("by=\(new.pid)"))
    #expect(try await current() == "\(new.pid)\n")
    await self.end(new)
    #expect(access(sandbox.socket, F_OK) != 0)
  }

  @Test func aSignalStartsTheProgramAgain() async throws {
    let (old, _) = try await sandbox.serve()
    old.signal(SIGUSR2)
    #expect(await old.line() == "listening on unix:\(sandbox.socket)")
    #expect(await old.wait() == 0)
    let new = try #require(Int32(try await current().dropLast()))
    #expect(new != old.pid)
    // It can be replaced in turn.
    let (third, _) = try await sandbox.serve("--replace")
    #expect(try await current() == "\(third.pid)\n")
    await end(third)
  }

  @Test func aPortThatTheSystemHasChosenStays() async throws {
    let (old, addresses) = try await sandbox.serve("--listen", "tcp:127.0.0.1:0")
    let address = try #require(addresses.first)
    old.signal(SIGUSR2)
    #expect(await old.line() == "listening on \(address)")
    #expect(await old.wait() == 0)
    let (third, again) = try await sandbox.serve("--listen", address, "--replace")
    #expect(again == [address])
    #expect(
      try await sandbox.telpher("run", "--on", address, "--", "sh", "-c", "echo $PPID").text
        == "\(third.pid)\n")
    await end(third)
  }

  @Test func anotherAddressIsGivenUpOrAdded() async throws {
    let (one, two, three) = (
      "unix:\(sandbox.folder)/1", "unix:\(sandbox.folder)/2", "unix:\(sandbox.folder)/3"
    )
    let (old, _) = try await sandbox.serve("--listen", one, "--listen", two)
    let (new, _) = try await sandbox.serve("--listen", two, "--listen", three, "--replace")
    #expect(await old.wait() == 0)
    #expect(access(sandbox.folder + "/1", F_OK) != 0)
    for address in [two, three] {
      #expect(
        try await sandbox.telpher("run", "--on", address, "--", "sh", "-c", "echo $PPID").text
          == "\(new.pid)\n")
    }
    await end(new)
  }

  @Test func aServerThatCanNotStartLeavesTheOldOneAlone() async throws {
    let (old, _) = try await sandbox.serve()
    let taken = "unix:\(sandbox.folder)/taken"
    let (other, _) = try await sandbox.serve("--listen", taken)
    for options in [
      ["--root", "/nonexistent"],
      // The sockets of the old server are taken over before this address fails.
      ["--listen", "unix:\(sandbox.socket)", "--listen", "unix:/dev/null/x"],
      ["--listen", "unix:\(sandbox.socket)", "--listen", taken],
    ] {
      let failed = await (try sandbox.start(["serve", "--replace"] + options)).finish()
      #expect(failed.status == 125)
      #expect(failed.text == "")
      #expect(try await current() == "\(old.pid)\n")
    }
    await end(old, other)
    #expect(access(sandbox.socket, F_OK) != 0)
  }

  @Test func aProgramThatFailsAfterTheSignalLeavesTheOldOneAlone() async throws {
    let program = sandbox.folder + "/program"
    #expect(try await sandbox.shell("cp '\(Sandbox.program)' '\(program)'").status == 0)
    let old = try Child([program, "serve"], environment: sandbox.environment)
    #expect(await old.line() == "listening on unix:\(sandbox.socket)")
    // The file is replaced, as an upgrade does it.
    #expect(
      try await sandbox.shell(
        "printf '#!/bin/sh\\necho bad; exit 3\\n' >'\(program).new' && chmod 755 '\(program).new' && mv '\(program).new' '\(program)'"
      ).status == 0)
    old.signal(SIGUSR2)
    #expect(await old.line() == "bad")
    #expect(try await current() == "\(old.pid)\n")
    // Now with a program that works.
    #expect(
      try await sandbox.shell(
        "cp '\(Sandbox.program)' '\(program).new' && mv '\(program).new' '\(program)'"
      )
      .status == 0)
    old.signal(SIGUSR2)
    #expect(await old.line() == "listening on unix:\(sandbox.socket)")
    #expect(await old.wait() == 0)
    let (third, _) = try await sandbox.serve("--replace")
    await end(third)
  }

  @Test func withoutAServerItStartsOne() async throws {
    let (server, _) = try await sandbox.serve("--replace")
    #expect(try await current() == "\(server.pid)\n")
    await end(server)
  }

  @Test(arguments: [
    ["--listen", "stdio"], ["--listen", "tcp:127.0.0.1:0"], ["--relay", "ssh://host"],
  ])
  func whatCanNotBeReplacedIsRefused(_ options: [String]) async throws {
    let result = await (try sandbox.start(["serve", "--replace"] + options)).finish()
    #expect(result.status != 0)
    #expect(result.errorText.contains("--replace"))
  }

  /// A process of its own namespace of process ids, whose first process the server is.
  private static let canBeInit =
    geteuid() == 0 && system("unshare --fork --pid true 2>/dev/null") == 0

  @Test(.enabled(if: canBeInit, "a namespace of process ids is needed"))
  func processOneSaysWhyItCannotBeReplaced() async throws {
    let log = sandbox.folder + "/log"
    // SIGKILL is the only signal that ends it from outside for sure: the kernel protects process 1.
    let init1 = try Child(
      [
        "/bin/sh", "-c",
        "exec unshare --fork --pid --kill-child=KILL '\(Sandbox.program)' serve 2>'\(log)'",
      ], environment: sandbox.environment)
    #expect(await init1.line() == "listening on unix:\(sandbox.socket)")
    let refused = try await sandbox.telpher("serve", "--replace")
    #expect(refused.status == 125)
    #expect(refused.errorText.contains("it is process 1"), "\(refused.errorText)")
    #expect(refused.errorText.contains("under an init"), "\(refused.errorText)")
    // It goes on.
    #expect(try await sandbox.telpher("run", "--", "echo", "here").text == "here\n")
    // The command sees its parent as process 1, and so sends it the signal.
    #expect(try await sandbox.telpher("run", "--", "sh", "-c", "kill -USR2 $PPID").status == 0)
    try await eventually("the reason is logged") {
      try await sandbox.shell("cat '\(log)'").text.contains("no process can be started to replace")
    }
    #expect(try await sandbox.shell("cat '\(log)'").text.contains("it is process 1"))
    #expect(try await sandbox.telpher("run", "--", "echo", "here").text == "here\n")
    init1.signal(SIGKILL)
    _ = await init1.wait()
  }

  @Test func theOtherBackendSaysThatItCannotReplace() async throws {
    let program = SystemBackend.nio.program
    let refused = await
      (try Child(
        [program, "serve", "--replace"], environment: sandbox.environment)).finish()
    #expect(refused.status == 125)
    #expect(refused.errorText.contains("no server can be replaced"), "\(refused.errorText)")
    #expect(refused.errorText.contains("telpher-nio"), "\(refused.errorText)")
    // Nor can it be replaced itself.
    let log = sandbox.folder + "/log"
    let server = try Child(
      ["/bin/sh", "-c", "exec '\(program)' serve 2>'\(log)'"], environment: sandbox.environment)
    #expect(await server.line() == "listening on unix:\(sandbox.socket)")
    server.signal(SIGUSR2)
    try await eventually("the reason is logged") {
      try await sandbox.shell("cat '\(log)'").text.contains("this server can't be replaced")
    }
    #expect(try await sandbox.telpher("run", "--", "echo", "here").text == "here\n")
    let replacing = try await sandbox.telpher("serve", "--replace")
    #expect(replacing.status == 125, "\(replacing.errorText)")
    await end(server)
  }

  @Test func theServiceManagerLearnsTheNewProcess() async throws {
    let place = sandbox.folder + "/notify"
    let manager = try Manager(at: place)
    let old = try sandbox.start(["serve"], environment: ["NOTIFY_SOCKET": place])
    #expect(await old.line() != nil)
    #expect(await manager.message() == "READY=1")
    // The socket is not for commands.
    #expect(
      try await sandbox.telpher("run", "--on", "unix:\(sandbox.socket)", "--", "env").text
        .contains("NOTIFY_SOCKET") == false)
    old.signal(SIGUSR2)
    #expect(await old.wait() == 0)
    let new = try await current().dropLast()
    let messages = await [manager.message(), manager.message()]
    #expect(Set(messages) == ["READY=1", "MAINPID=\(new)"])
    let (third, _) = try await sandbox.serve("--replace")
    await end(third)
  }

  /// With TELPHER_SLOW=1 10,000 commands.
  @Test func noCommandFailsWhileTheServerIsReplacedAgainAndAgain() async throws {
    let perClient = getenv("TELPHER_SLOW") == nil ? 50 : 2_500
    let (first, _) = try await sandbox.serve()
    var servers = [first]
    let clients = try (0..<4).map { _ in
      symlink(Sandbox.program, sandbox.folder + "/bin/telpher")
      return try Child(
        [
          "/bin/sh", "-c",
          "i=0; while [ $i -lt \(perClient) ]; do telpher run -- true || exit 9; i=$((i+1)); done",
        ], environment: sandbox.environment)
    }
    let ended = Ended()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for client in clients {
        group.addTask {
          let result = await client.finish()
          ended.count.add(1, ordering: .relaxed)
          #expect(result.status == 0)
          #expect(result.errorText == "")
        }
      }
      repeat {
        servers.append(try await sandbox.serve("--replace").server)
      } while ended.count.load(ordering: .relaxed) < clients.count
      try await group.waitForAll()
    }
    #expect(servers.count > 2)
    for old in servers.dropLast() { #expect(await old.wait() == 0) }
    await end(try #require(servers.last))
  }
}

private final class Ended: Sendable {
  let count = Atomic(0)
}

/// The socket of a service manager, sd_notify(3).
private final class Manager: Sendable {
  private let descriptor: Int32

  init(at path: String) throws {
    descriptor = try unixSocket(SOCK_DGRAM, at: path)
    // So that a message that never comes fails the test.
    var limit = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close(descriptor) }

  /// The next message; empty if none comes.
  func message() async -> String {
    await onThread { [descriptor] in
      var bytes = [UInt8](repeating: 0, count: 256)
      let count = recv(descriptor, &bytes, bytes.count, 0)
      return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
  }
}
