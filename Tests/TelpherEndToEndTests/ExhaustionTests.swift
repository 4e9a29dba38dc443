import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

/// Servers that run out of descriptors or processes.
@Suite struct ExhaustionTests {
  private static func limited(_ limit: String) -> [String] {
    ["sh", "-c", "ulimit \(limit) && exec \"$@\"", "sh"]
  }

  @Test(arguments: SystemBackend.all)
  func aServerWithoutDescriptorsIsIdleAndRecovers(_ backend: SystemBackend) async throws {
    try await ServerProcess.with(backend, wrapper: Self.limited("-n 64")) { server in
      let first = try await server.connect()
      #expect(try await first.run(Command("true")).result.isSuccess)
      var clients: [Connection] = []
      for _ in 0..<100 {
        // The kernel accepts all of them; the server closes those that it can't accept, or lets
        // them wait.
        clients.append(try await server.connect())
      }
      let ticks = server.view.ticks
      let start = ContinuousClock.now
      try await Task.sleep(for: .seconds(1))
      let share = Double(server.view.ticks - ticks) / (start.duration(to: .now) / .milliseconds(10))
      #expect(share < 0.3)
      print("out of descriptors: \(share) of a processor")

      for client in clients.prefix(60) { await client.close() }
      let closed = ContinuousClock.now
      try await eventually("the server accepts again") {
        guard let connection = try? await server.connect() else { return false }
        let answer = try? await connection.ping()
        await connection.close()
        return answer != nil
      }
      print("out of descriptors: accepts again after \(closed.duration(to: .now))")
      for client in clients.dropFirst(60) { await client.close() }
      try await Self.works(server, first)
    }
  }

  @Test(arguments: SystemBackend.all)
  func withoutDescriptorsCommandsFailToStartAndLaterOnesWork(_ backend: SystemBackend)
    async throws
  {
    try await ServerProcess.with(backend, wrapper: Self.limited("-n 64")) { server in
      let connection = try await server.connect()
      let statuses = try await Self.runMany(40, on: connection)
      let refused = statuses.compactMap(\.self)
      #expect(!refused.isEmpty && refused.count < 40)
      #expect(refused.allSatisfy { $0.errno == EMFILE && $0.stage == "resources" })
      #expect(refused.allSatisfy { $0.message.hasSuffix("Too many open files") })
      try await Self.works(server, connection)
    }
  }

  @Test(.enabled(if: OtherUser.isPossible), arguments: SystemBackend.all)
  func pastTheProcessLimitCommandsFailToStartAndLaterOnesWork(_ backend: SystemBackend) async throws
  {
    let limit = ["prlimit", "--nproc=40", "--"]
    try await ServerProcess.with(
      backend, wrapper: OtherUser.wrapper() + limit, program: try OtherUser.program(of: backend)
    ) { server in
      let connection = try await server.connect()
      let refused = try await Self.runMany(60, on: connection).compactMap(\.self)
      #expect(!refused.isEmpty && refused.count < 60)
      #expect(refused.allSatisfy { $0.errno == EAGAIN && $0.stage == "resources" })
      try await Self.works(server, connection)
    }
  }

  @Test(.enabled(if: OtherUser.isPossible), arguments: SystemBackend.all)
  func withoutThreadsFileRequestsAreRefusedAndLaterOnesWork(_ backend: SystemBackend) async throws {
    let asUser = OtherUser.wrapper()
    try await ServerProcess.with(
      backend, wrapper: asUser, program: try OtherUser.program(of: backend),
      environment: ["HOME": "/"]
    ) { server in
      let connection = try await server.connect()
      try await Self.works(server, connection)
      try Self.limitProcesses(of: server, to: "1", asUser)
      for _ in 0..<2 {
        let error = await #expect(throws: FileError.self) {
          try await connection.status(of: "tmp")
        }
        #expect(error?.code == .refused)
        #expect(error?.message.contains("RLIMIT_NPROC") == true)
      }
      try Self.limitProcesses(of: server, to: "1000", asUser)
      #expect(try await connection.status(of: "tmp").kind == .directory)
      try await Self.works(server, connection)
    }
  }

  /// Not with NIO, because its library starts threads with the first command.
  @Test(.enabled(if: OtherUser.isPossible))
  func pastTheProcessLimitTheFirstCommandFailsToStart() async throws {
    let asUser = OtherUser.wrapper()
    try await ServerProcess.with(
      .uv, wrapper: asUser, program: try OtherUser.program(of: .uv)
    ) { server in
      let connection = try await server.connect()
      #expect(try await connection.info().running == 0)
      try Self.limitProcesses(of: server, to: "1", asUser)
      let refused = try await Self.runMany(1, on: connection).compactMap(\.self)
      #expect(refused.map(\.errno) == [EAGAIN])
      try Self.limitProcesses(of: server, to: "1000", asUser)
      try await Self.works(server, connection)
    }
  }

  private static func limitProcesses(
    of server: ServerProcess, to number: String, _ asUser: [String]
  ) throws {
    let ending = LocalShell.run(
      asUser + ["prlimit", "--pid=\(server.view.pid)", "--nproc=\(number):"],
      environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
    try #require(ending == .exited(0))
  }

  private struct Refusal {
    let errno: Int32
    let stage: String
    let message: String
  }

  /// Starts `count` commands at once, which run until all have started or were refused.
  ///
  /// - Returns: the refusal of each command; nil for those that ran.
  private static func runMany(
    _ count: Int, on connection: Connection
  ) async throws -> [Refusal?] {
    let all = Gathering(count)
    return try await withThrowingTaskGroup(of: Refusal?.self) { group in
      for _ in 0..<count {
        group.addTask {
          let (_, result) = try await connection.run(
            Command(shell: "echo; exec cat"), hasInput: true
          ) { process in
            // Wait for the first line, or for the end of a command that was not started.
            for try await _ in process.output { break }
            await all.arrive()
            await process.input.finish()
          }
          guard case .notStarted(let errno, let stage, let message) = result.status else {
            #expect(result.status == .exited(0))
            return nil
          }
          return Refusal(errno: errno, stage: stage, message: message)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
  }

  /// Checks that the server accepts connections and commands, and has released all earlier ones.
  private static func works(_ server: ServerProcess, _ connection: Connection) async throws {
    try await eventually("nothing runs") { try await connection.info().running == 0 }
    for _ in 0..<20 { #expect(try await connection.run(Command("true")).result.isSuccess) }
    let another = try await server.connect()
    #expect(try await another.run(Command("echo", "x")).output == Array("x\n".utf8))
    await another.close()
  }
}
