import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

/// A server that is killed with SIGKILL.
@Suite struct KilledServerTests {
  /// Checks that its commands end with it, and that background processes of finished commands
  /// continue.
  private static func endsItsCommands(
    _ backend: SystemBackend, wrapper: [String] = [], program: String? = nil
  ) async throws {
    let (mark, daemon) = (unusualDuration(), unusualDuration())
    let socket = "/tmp/telpher-test-\(UInt64.random(in: 0 ... .max)).sock"
    defer { unlink(socket) }
    let server = try LocalProgram(
      wrapper + [
        program ?? backend.program, "serve", "--listen", "unix:\(socket)", "--log-level",
        "critical",
      ])
    #expect(try await server.line() == "listening on unix:\(socket)")
    let loop = try backend.makeLoop()
    let connection = try await Connection.connect(
      to: .socket(.unix(path: socket)), on: loop, trustedUsers: [UInt32(server.view.uid)])
    let leaves = "env -i setsid -f sleep \(daemon) </dev/null >/dev/null 2>&1"
    #expect(try await connection.run(Command(shell: leaves)).result.status == .exited(0))
    let left = ProcessIdentities(marked: daemon)
    defer { left.kill() }
    try await eventually("the daemon runs") { ProcessIdentities(marked: daemon).count == 1 }

    // With swift-subprocess a child gets its tag some time after its start; until then it has the
    // server's limit.
    let limit = { (pid: String) in "$(grep 'file locks' /proc/\(pid)/limits)" }
    let wait: String =
      backend == .nio ? "while [ \"\(limit("self"))\" = \"\(limit("$PPID"))\" ]; do :; done; " : ""
    let line =
      "\(wait)setsid sleep \(mark) & env -i setsid -f setsid -f sleep \(mark); exec sleep \(mark)"
    let running = Task { try await connection.run(Command(shell: line)) }
    try await eventually("the command runs") {
      ProcessView.marked(mark).count { text("/proc/\($0)/cmdline").hasPrefix("sleep\0") } == 3
    }
    let processes = ProcessIdentities(marked: mark)
    server.signal(SIGKILL)
    try await eventually("the commands have ended with their server") { processes.count == 0 }
    await #expect(throws: ClientError.self) { _ = try await running.value }
    #expect(left.count == 1)
    await loop.shutDown()
  }

  @Test(arguments: SystemBackend.all)
  func theCommandsOfAKilledServerEnd(_ backend: SystemBackend) async throws {
    try await Self.endsItsCommands(backend)
  }

  @Test(.enabled(if: OtherUser.isPossible), arguments: SystemBackend.all)
  func theCommandsOfAKilledServerEndWithoutControlGroups(_ backend: SystemBackend) async throws {
    try await Self.endsItsCommands(
      backend, wrapper: OtherUser.wrapper(), program: try OtherUser.program(of: backend))
  }
}
