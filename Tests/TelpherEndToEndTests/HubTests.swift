import TelpherClient
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(10))) struct HubTests {
  @Test(arguments: SystemBackend.all, [1, 3])
  func aCommandRunsAtTheServerBehindTheHub(_ backend: SystemBackend, hubLoops: Int) async throws {
    try await HubStage.with(backend, hubLoops: hubLoops) { stage in
      // Connections of a hub with several loops get to different ones.
      for _ in 0..<4 {
        let connection = try await stage.connect()
        let input = noise(3 << 20, seed: 5)
        let result = try await connection.run(Command("cat"), input: input)
        #expect(result.output.elementsEqual(input))
        #expect(result.result.isSuccess)
        let failed = try await connection.run(Command("sh", "-c", "exit 7"))
        #expect(failed.result.status == .exited(7))
        await connection.close()
      }
    }
  }

  /// The hub could show a key of its own.
  @Test(arguments: SystemBackend.all)
  func anotherHostKeyIsRefused(_ backend: SystemBackend) async throws {
    try await HubStage.with(backend) { stage in
      let other = "SHA256:" + String(repeating: "A", count: 43)
      let error = await #expect(throws: ClientError.self) {
        _ = try await stage.connect(hostKey: other)
      }
      #expect(error?.code == .notAuthenticated)
      // The server goes on.
      let connection = try await stage.connect()
      #expect(try await connection.run(Command("true")).result.isSuccess)
      await connection.close()
    }
  }

  @Test(arguments: SystemBackend.all)
  func anUnknownNameIsUnreachable(_ backend: SystemBackend) async throws {
    try await HubStage.with(backend) { stage in
      let error = await #expect(throws: ClientError.self) {
        _ = try await stage.connect(name: "other")
      }
      #expect(error?.code == .unreachable)
      #expect(error?.message.contains("no server has registered the name other here") == true)
    }
  }

  @Test(arguments: SystemBackend.all)
  func aServerThatEndsLosesItsCommands(_ backend: SystemBackend) async throws {
    try await HubStage.with(backend) { stage in
      let connection = try await stage.connect()
      let error = await #expect(throws: ClientError.self) {
        try await connection.run(Command("sh", "-c", "echo started; exec sleep 1000")) { running in
          for try await _ in running.output { break }
          await stage.server.stop()
          _ = try await running.result()
        }
      }
      #expect(error?.code == .lost)
    }
  }

  /// Cut anywhere, a command is never taken for one that has succeeded.
  @Test(arguments: SystemBackend.all)
  func aConnectionThatIsCutIsNeverASuccess(_ backend: SystemBackend) async throws {
    try await HubStage.with(backend) { stage in
      var (successes, cuts) = (0, 0)
      var offset = 1
      while successes == 0 {
        let place = SocketAddress.unix(
          path: "/tmp/telpher-cut-\(UInt64.random(in: 0 ... .max)).sock")
        let proxy = try await DelayingProxy.start(
          at: place, to: stage.hub, cutAfter: offset, on: stage.clientLoop)
        do {
          let connection = try await stage.connect(at: place)
          let result = try await connection.run(Command("sh", "-c", "echo done"))
          // Everything has come before the cut.
          #expect(result.output == Array("done\n".utf8))
          successes += 1
        } catch let error as ClientError {
          #expect(await proxy.hasCut, "\(offset): \(error)")
          #expect([.lost, .unreachable, .refused].contains(error.code), "\(offset): \(error)")
          cuts += 1
        }
        await proxy.stop()
        offset += 23
      }
      #expect(cuts > 50)
    }
  }
}
