import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherWire
import Testing

/// Many commands, at once and one after the other.
@Suite struct ManyCommandsTests {
  /// More connections than `maxStrangers`; the server accepts all of them before it reads a HELLO.
  @Test(arguments: SystemBackend.all)
  func aBurstOfConnectionsIsAccepted(_ backend: SystemBackend) async throws {
    try await ServerProcess.with(backend) { server in
      // Once it has accepted a connection, its listening socket has its full backlog: SwiftNIO sets a
      // shorter one for a moment.
      #expect(try await server.connect().run(Command("true")).result.status == .exited(0))
      // Stop the server, so that all connections wait in the socket's queue when it continues.
      try await suspend(server.program.view.pid)
      var clients: [(RawClient, StreamID)] = []
      for _ in 0..<200 {
        let client = try await RawClient.connect(to: server.address, on: server.clientLoop)
        await client.startReading()
        clients.append((client, await client.run(#"{"op":"run","argv":["true"]}"#)))
      }
      server.program.signal(SIGCONT)
      for (client, stream) in clients {
        try await eventually("an answer") { () async in
          let result = await client.result(stream)
          let hasEnded = await client.hasEnded
          return result != nil || hasEnded
        }
        let result = await client.result(stream)
        let hasEnded = await client.hasEnded
        #expect(result?.code == 0, "\(result as Any), connection ended: \(hasEnded)")
        await client.close()
      }
    }
  }

  @Test(arguments: SystemBackend.all)
  func aThousandCommandsFinishBesideAStalledAndABusyStream(_ backend: SystemBackend) async throws {
    try await ServerProcess.with(backend) { server in
      let connection = try await server.connect()
      let stalled = Task {
        try await connection.run(Command("yes")) { _ in
          try await Task.sleep(for: .seconds(3_600))
        }
      }
      let bulk = Task {
        try await connection.run(Command("yes")) { process in
          var count = 0
          for try await chunk in process.output { count += chunk.count }
          return count
        }
      }
      try await eventually("both commands run") { try await connection.info().running == 2 }
      try await withThrowingTaskGroup { group in
        for number in 0..<1_000 {
          group.addTask {
            let result = try await connection.run(Command("echo", "\(number)"))
            #expect(result.output == Array("\(number)\n".utf8))
            #expect(result.result.isSuccess)
          }
        }
        try await group.waitForAll()
      }
      #expect(try await connection.info().running == 2)
      stalled.cancel()
      bulk.cancel()
      await #expect(throws: CancellationError.self) { try await stalled.value }
      await #expect(throws: CancellationError.self) { try await bulk.value }
    }
  }

  @Test(arguments: zip([SystemBackend.uv, .uv, .nio], [true, false, false]))
  func finishedCommandsLeaveNoResourcesInTheServer(_ backend: SystemBackend, _ hasGroups: Bool)
    async throws
  {
    let warmUp = backend == .nio ? 500 : 1_000
    let count = Scale.pick(fast: 2 * warmUp, full: 100_000)
    let wrapper = hasGroups ? [] : OtherUser.wrapper()
    let program = hasGroups ? backend.program : try OtherUser.program(of: backend)
    try await ServerProcess.with(backend, wrapper: wrapper, program: program) { server in
      let connection = try await server.connect()
      // Fill the pools of groups and buffers, which grow to the number of commands at once.
      try await Self.run(warmUp, on: connection)
      let before = Leftovers(server)
      let start = ContinuousClock.now
      try await Self.run(count, on: connection)
      let after = Leftovers(server)
      // The last commands may not be cleaned up yet.
      try await eventually("no descriptor is left") {
        Leftovers(server).descriptors <= before.descriptors
      }
      // The pool keeps as many groups as there were commands at once; a few wait to be removed.
      #expect(after.groups <= 32)
      try await eventually("no process is left") { server.view.children.isEmpty }
      // A page of memory for every eight commands would be a leak; less may be kept by the
      // allocator. A sanitizer keeps far more.
      if !Sanitizer.isPresent { #expect(after.residentKiB - before.residentKiB < 6_144) }
      #expect(try await connection.info().running == 0)
      print("\(count) commands: \(start.duration(to: .now)), \(before), then \(after)")
    }
  }

  /// The resources that finished commands could leave in a server.
  private struct Leftovers {
    let residentKiB: Int
    /// Open descriptors without those of the kept groups, two for each group.
    let descriptors: Int
    let groups: Int

    init(_ server: ServerProcess) {
      residentKiB = server.view.residentKiB
      groups = server.view.controlGroups.count
      descriptors = server.view.descriptors - 2 * groups
    }
  }

  /// Commands of several kinds, 16 at a time.
  private static func run(_ count: Int, on connection: Connection) async throws {
    try await withThrowingTaskGroup { group in
      for lane in 0..<16 {
        group.addTask {
          for number in stride(from: lane, to: count, by: 16) {
            switch number % 40 {
            case 0: _ = try await connection.run(Command("no-such-program"))
            case 1: _ = try await connection.run(Command(shell: "cat"), input: [1, 2, 3])
            case 2: _ = try await connection.run(Command(shell: "kill -9 $$"))
            case 3:
              // The client does not read this output.
              _ = try await connection.run(Command("seq", "1", "2000")) { _ in }
            case 4:
              var command = Command(shell: "sleep 9 & sleep 9")
              command.deadline = .milliseconds(1)
              command.deadlineMargin = .seconds(600)
              _ = try await connection.run(command)
            case 5:
              var command = Command(shell: "sleep 0.01 & exit")
              command.drain = .zero
              _ = try await connection.run(command)
            default:
              let result = try await connection.run(Command("true"))
              guard result.result.isSuccess else {
                Issue.record("\(result.result)")
                return
              }
            }
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
