import Glibc
import TelpherClient
import TelpherTestSupport
import Testing

/// Clients that do not read: their commands are blocked, and the server uses little memory for
/// them.
@Suite struct BackpressureTests {
  /// Why the output of a command does not reach its client.
  enum Stall: CaseIterable, Sendable {
    /// Each command has its own connection, and the client never reads the socket.
    case socket
    /// All commands share one connection, and the client grants no credit.
    case credit
  }

  /// The number of commands. Without control groups, ending each one scans all processes.
  private static func commands(_ backend: SystemBackend) -> Int {
    backend == .nio && !Scale.isFull ? 80 : 200
  }

  @Test(arguments: SystemBackend.all, Stall.allCases)
  func commandsAreBlockedWhileTheirClientsDoNotRead(_ backend: SystemBackend, _ stall: Stall)
    async throws
  {
    try await ServerProcess.with(backend) { server in
      let connection = try await server.connect()
      // Warm up: allocate what every server has after a few commands.
      for _ in 0..<20 { _ = try await connection.run(Command("true")) }
      let before = server.view.residentKiB
      switch stall {
      case .socket:
        var clients: [RawClient] = []
        for _ in 0..<Self.commands(backend) {
          let client = try await RawClient.connect(to: server.address, on: server.clientLoop)
          _ = await client.run(#"{"op":"run","argv":["yes"]}"#)
          clients.append(client)
        }
        try await Self.check(server, Self.commands(backend), before, connection)
        for client in clients { await client.close() }
        try await eventually("the commands are ended") {
          try await connection.info().running == 0
        }
      case .credit:
        let task = Task {
          try await withThrowingTaskGroup { group in
            for _ in 0..<Self.commands(backend) {
              group.addTask {
                _ = try await connection.run(Command("yes")) { _ in
                  try await Task.sleep(for: .seconds(3_600))
                }
              }
            }
            try await group.waitForAll()
          }
        }
        try await Self.check(server, Self.commands(backend), before, try await server.connect())
        task.cancel()
        await #expect(throws: (any Error).self) { try await task.value }
      }
    }
  }

  /// Checks that all commands run, that none of them uses processor time, and that the server is
  /// small.
  private static func check(
    _ server: ServerProcess, _ commands: Int, _ before: Int, _ connection: Connection
  ) async throws {
    func ticks() -> [Int] { server.view.children.map { ProcessView(pid: $0).ticks } }
    var last: [Int] = []
    var lastChange = ContinuousClock.now
    try await eventually("the commands use no processor time") {
      let now = ticks()
      if now != last || now.count < commands { lastChange = .now }
      last = now
      return lastChange.duration(to: .now) > .milliseconds(300)
    }
    let own = server.view.ticks
    #expect(try await connection.run(Command("echo", "x")).output == Array("x\n".utf8))
    #expect(server.view.ticks - own < 20)
    let growth = server.view.residentKiB - before
    #expect(growth < 64 << 10)
    print("\(commands) blocked commands: server + \(growth) KiB")
  }

  @Test(arguments: SystemBackend.all, [true, false])
  func oneTaskCanReadTwoFullOutputsOneAfterTheOther(
    _ backend: SystemBackend, _ readsOutputFirst: Bool
  )
    async throws
  {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let command = Command(
        shell: "head -c 10485760 /dev/zero; head -c 10485760 /dev/zero >&2; echo x; echo y >&2")
      let (counts, result) = try await connection.run(command) { process in
        let (first, second) =
          readsOutputFirst ? (process.output, process.error) : (process.error, process.output)
        var counts = [0, 0]
        for try await chunk in first { counts[0] += chunk.count }
        for try await chunk in second { counts[1] += chunk.count }
        return counts
      }
      #expect(counts == [10_485_762, 10_485_762])
      #expect(result.isSuccess)
    }
  }
}
