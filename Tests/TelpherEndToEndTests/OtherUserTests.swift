import Glibc
import TelpherClient
import TelpherTestSupport
import Testing

/// A server of a user who may not create control groups.
@Suite(.enabled(if: OtherUser.isPossible)) struct OtherUserTests {
  @Test(arguments: SystemBackend.all)
  func commandsRunWithoutControlGroups(_ backend: SystemBackend) async throws {
    try await ServerProcess.with(
      backend, wrapper: OtherUser.wrapper(), program: try OtherUser.program(of: backend)
    ) { server in
      #expect(server.view.uid != 0)
      let connection = try await server.connect()
      #expect(try await connection.serverHello().killScope == "descendants")

      let result = try await connection.run(
        Command(shell: "id -u; cat; exit 3"), input: Array("x".utf8))
      #expect(result.result.status == .exited(3))
      #expect(String(decoding: result.output, as: UTF8.self) == "\(server.view.uid)\nx")
    }
  }

  @Test(arguments: SystemBackend.all)
  func allProcessesEndAtTheDeadlineWithoutControlGroups(_ backend: SystemBackend) async throws {
    let mark = unusualDuration()
    try await ServerProcess.with(
      backend, wrapper: OtherUser.wrapper(), program: try OtherUser.program(of: backend)
    ) { server in
      let connection = try await server.connect()
      var command = Command(
        shell: """
          setsid sleep \(mark) & setsid sh -c 'sleep \(mark) & exit' &
          (trap "" TERM; sleep \(mark))
          """)
      command.deadline = .milliseconds(300)
      command.deadlineMargin = .seconds(600)
      command.grace = .milliseconds(100)
      let result = try await connection.run(command)
      #expect(result.result.status == .timedOut)
      try await eventually("no process is left") {
        ProcessView.marked(mark).isEmpty
      }
      try await eventually("orphans are waited for") { server.view.children.isEmpty }
    }
  }

  /// As with sudo(8), the server may not signal the command's process.
  @Test(arguments: SystemBackend.all)
  func theResultArrivesAlthoughACommandOfAnotherUserCannotBeEnded(
    _ backend: SystemBackend
  ) async throws {
    let mark = unusualDuration()
    let program = try OtherUser.program(of: backend)
    let become = "\(program)-become-root-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    #expect(
      LocalShell.run(
        ["install", "-m", "4755", "/usr/bin/setpriv", become], environment: ["PATH=/usr/bin:/bin"])
        == .exited(0))
    defer { unlink(become) }
    try await ServerProcess.with(backend, wrapper: OtherUser.wrapper(), program: program) {
      server in
      let connection = try await server.connect()
      var command = Command(become, "--reuid=0", "--regid=0", "--clear-groups", "sleep", mark)
      command.deadline = .milliseconds(300)
      command.deadlineMargin = .seconds(600)
      command.grace = .milliseconds(100)
      let result = try await connection.run(command).result
      #expect(result.status == .timedOut)
      #expect(result.details.survivors == true)
      #expect(result.details.code == nil && result.details.signal == nil)
      let left = ProcessView.marked(mark)
      #expect(!left.isEmpty)
      for pid in left { kill(pid, SIGKILL) }
      try await eventually("the server waits for it when it ends") { server.view.children.isEmpty }
    }
  }
}
