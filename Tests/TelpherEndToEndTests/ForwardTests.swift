import TelpherClient
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// A backend and a direction of a forwarding.
struct ForwardCase: Sendable, CustomTestStringConvertible {
  let backend: SystemBackend
  let direction: Forwarding.Direction
  var testDescription: String { "\(backend) \(direction)" }

  static let all: [ForwardCase] = SystemBackend.all.flatMap { backend in
    [.toServer, .fromServer].map { ForwardCase(backend: backend, direction: $0) }
  }
}

@Suite(.timeLimit(.minutes(10))) struct ForwardTests {
  @Test(arguments: ForwardCase.all)
  func muchDataPassesBothWaysAtOnce(_ test: ForwardCase) async throws {
    try await ForwardStage.with(test.backend, test.direction) { stage in
      let up = noise(64 << 20, seed: 1)
      let down = noise(64 << 20, seed: 2)
      let program = try await stage.connect()
      let server = await stage.service.socket()
      await program.send(up)
      await server.send(down)
      await program.finishWriting()
      await server.finishWriting()
      try await program.ended()
      try await server.ended()
      #expect(isSame(await program.bytes, down))
      #expect(isSame(await server.bytes, up))
      #expect(await program.hasEndedInOrder)
      #expect(await server.hasEndedInOrder)
      #expect(stage.events.failures.isEmpty)
    }
  }

  @Test(arguments: ForwardCase.all, [(SocketKind.unix, SocketKind.tcp), (.tcp, .unix)])
  func unixSocketsAndTCPMix(
    _ test: ForwardCase, _ kinds: (SocketKind, SocketKind)
  ) async throws {
    try await ForwardStage.with(
      test.backend, test.direction, entrance: kinds.0, exit: kinds.1, echoes: true
    ) { stage in
      let program = try await stage.connect()
      await program.send("hello")
      await program.finishWriting()
      try await program.ended()
      #expect(await program.text == "hello")
      #expect(await program.hasEndedInOrder)
    }
  }

  @Test(arguments: ForwardCase.all)
  func aProgramThatHasEndedItsSideStillReceives(_ test: ForwardCase) async throws {
    try await ForwardStage.with(test.backend, test.direction) { stage in
      let program = try await stage.connect()
      await program.send("request")
      await program.finishWriting()
      let server = await stage.service.socket()
      try await server.until("the request") { $0.text == "request" && $0.hasEndedInOrder }
      #expect(await program.end == nil)
      await server.send("answer")
      try await program.until("the answer") { $0.text == "answer" }
      #expect(await program.end == nil)
      await server.finishWriting()
      try await program.ended()
      #expect(await program.hasEndedInOrder)
    }
  }

  @Test(arguments: ForwardCase.all)
  func aServiceThatHasEndedItsSideStillReceives(_ test: ForwardCase) async throws {
    try await ForwardStage.with(test.backend, test.direction) { stage in
      let program = try await stage.connect()
      let server = await stage.service.socket()
      await server.finishWriting()
      try await program.ended()
      #expect(await program.hasEndedInOrder)
      await program.send("late")
      try await server.until("the bytes") { $0.text == "late" }
      await program.finishWriting()
      try await server.ended()
      #expect(await server.hasEndedInOrder)
    }
  }

  @Test(arguments: ForwardCase.all)
  func aResetPassesOnAsAReset(_ test: ForwardCase) async throws {
    try await ForwardStage.with(test.backend, test.direction) { stage in
      let first = try await stage.connect()
      let server = await stage.service.socket(0)
      await first.send("part")
      try await server.until("the part") { $0.text == "part" }
      await first.reset()
      try await server.ended()
      #expect(await server.wasReset)
      // The other way round.
      let second = try await stage.connect()
      let other = await stage.service.socket(1)
      await other.send("part")
      try await second.until("the part") { $0.text == "part" }
      await other.reset()
      try await second.ended()
      #expect(await second.wasReset)
    }
  }

  @Test(arguments: ForwardCase.all)
  func aRefusedConnectionIsResetAndReported(_ test: ForwardCase) async throws {
    try await ForwardStage.with(test.backend, test.direction) { stage in
      await stage.service.stop()
      for _ in 0..<2 {
        do {
          let program = try await stage.connect()
          await program.send("lost")
          try await program.ended()
          #expect(await program.wasReset)
        } catch let error as TransportError {
          // The reset may come before the connect is reported.
          #expect(error.code == .broken)
        }
      }
      try await eventually("both are reported") { stage.events.failures.count == 2 }
      for failure in stage.events.failures {
        #expect(failure.code == .unreachable)
        #expect(failure.message.contains("onnection refused"), "\(failure)")
        #expect(failure.message.contains("\(stage.service.address)"))
      }
    }
  }

  @Test(arguments: ForwardCase.all)
  func aConnectionBeyondTheServersLimitIsResetAndReported(_ test: ForwardCase) async throws {
    try await ForwardStage.with(
      test.backend, test.direction, configure: { $0.sockets.maxSocketsPerConnection = 1 }
    ) { stage in
      let first = try await stage.connect()
      await first.send("first")
      try await stage.service.socket().until("the first") { $0.text == "first" }
      do {
        let second = try await stage.connect()
        try await second.ended()
        #expect(await second.wasReset)
      } catch let error as TransportError {
        // The reset may come before the connect is reported.
        #expect(error.code == .broken)
      }
      try await eventually("it is reported") { !stage.events.failures.isEmpty }
      #expect(stage.events.failures.map(\.code) == [.refused])
      #expect(stage.events.failures[0].message.contains("max_sockets_per_connection"))
      #expect(await first.end == nil)
    }
  }

  @Test(arguments: ForwardCase.all)
  func manyConnectionsPassAtOnce(_ test: ForwardCase) async throws {
    try await ForwardStage.with(test.backend, test.direction, echoes: true) { stage in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<100 {
          group.addTask {
            let bytes = noise(20_000, seed: number + 1)
            let program = try await stage.connect()
            await program.send(bytes)
            await program.finishWriting()
            try await program.ended()
            #expect(isSame(await program.bytes, bytes))
            #expect(await program.hasEndedInOrder)
            await program.close()
          }
        }
        try await group.waitForAll()
      }
      #expect(stage.events.failures.isEmpty)
    }
  }

  /// A program that does not read costs no more than the windows, and delays no other.
  @Test(arguments: ForwardCase.all)
  func aProgramThatDoesNotReadStopsItsService(_ test: ForwardCase) async throws {
    try await ForwardStage.with(test.backend, test.direction) { stage in
      let program = try await stage.connect()
      await program.pauseReading()
      let server = await stage.service.socket(0)
      let bytes = noise(64 << 20)
      await server.send(bytes)
      // Other connections pass meanwhile.
      let other = try await stage.connect()
      let otherServer = await stage.service.socket(1)
      for round in 1...50 {
        await other.send([UInt8](repeating: 1, count: 1_000))
        try await otherServer.until("a round") { $0.count == round * 1_000 }
      }
      // The windows and the systems' buffers hold far less than this.
      #expect(await server.queuedBytes > 24 << 20)
      await program.resumeReading()
      await server.finishWriting()
      try await program.ended()
      #expect(isSame(await program.bytes, bytes))
    }
  }

  @Test(arguments: ForwardCase.all)
  func aLostServerEndsTheForwardingAndResetsItsConnections(_ test: ForwardCase) async throws {
    try await ForwardStage.with(test.backend, test.direction) { stage in
      let program = try await stage.connect()
      let server = await stage.service.socket()
      await program.send("part")
      try await server.until("the part") { $0.text == "part" }
      await stage.fixture.server.stop()
      await #expect {
        try await stage.task.value
      } throws: {
        ($0 as? ClientError)?.code == .lost
      }
      try await program.ended()
      try await server.ended()
      #expect(await program.wasReset)
      #expect(await server.wasReset)
      await #expect(throws: TransportError.self) { _ = try await stage.connect() }
      #expect(stage.events.failures.isEmpty)
    }
  }

  @Test(arguments: ForwardCase.all)
  func aServerThatEndsLetsConnectionsFinish(_ test: ForwardCase) async throws {
    try await ForwardStage.with(
      test.backend, test.direction, configure: { $0.drainLimit = 3_600_000_000_000 }
    ) { stage in
      let program = try await stage.connect()
      let server = await stage.service.socket()
      await program.send("first ")
      try await server.until("the first word") { $0.text == "first " }
      async let drained: Void = stage.fixture.server.drain()
      try await eventually("nothing is accepted any more") {
        guard let other = try? await stage.connect() else { return true }
        await other.reset()
        return false
      }
      await program.send("question")
      await program.finishWriting()
      try await server.until("the question") { $0.text == "first question" && $0.hasEndedInOrder }
      await server.send("answer")
      await server.finishWriting()
      try await program.ended()
      #expect(await program.text == "answer")
      #expect(await program.hasEndedInOrder)
      await #expect {
        try await stage.task.value
      } throws: {
        ($0 as? ClientError)?.code == .refused
      }
      await drained
    }
  }

  @Test(arguments: ForwardCase.all)
  func aCanceledForwardingResetsItsConnections(_ test: ForwardCase) async throws {
    try await ForwardStage.with(test.backend, test.direction) { stage in
      let program = try await stage.connect()
      let server = await stage.service.socket()
      await program.send("part")
      try await server.until("the part") { $0.text == "part" }
      stage.task.cancel()
      await #expect(throws: CancellationError.self) { try await stage.task.value }
      try await program.ended()
      try await server.ended()
      #expect(await program.wasReset)
      #expect(await server.wasReset)
      // The connection to the server goes on.
      #expect(try await stage.connection.run(Command("true")).result.isSuccess)
    }
  }

  @Test(arguments: ForwardCase.all)
  func aConfinedServerForwardsNothing(_ test: ForwardCase) async throws {
    try await Fixture.with(test.backend, configure: { $0.forwardsConnections = false }) { fixture in
      let connection = try await fixture.connect()
      let loop = try test.backend.makeLoop()
      let events = ForwardEvents()
      let address = SocketKind.tcp.address()
      let forwarding = Forwarding(
        local: address, remote: address, direction: test.direction)
      let task = Task {
        defer { events.end() }
        try await connection.forward(forwarding) { events.add($0) }
      }
      // The client asks first, so it does not listen in vain.
      await #expect { try await task.value } throws: { ($0 as? ClientError)?.code == .refused }
      #expect(try await events.address() == nil)
      await connection.close()
      await Task.detached { await loop.shutDown() }.value
    }
  }

  /// The name has several addresses, of which only one may answer.
  @Test(arguments: SystemBackend.all)
  func aNameIsLookedUpAtTheOtherSide(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let loop = try backend.makeLoop()
      let service = try await PlainListener.start(
        at: SocketKind.tcp.address(), on: loop, echoes: true)
      guard case .tcp(_, let port) = service.address else { return }
      let events = ForwardEvents()
      let task = Task {
        defer { events.end() }
        try await connection.forward(
          Forwarding(
            local: SocketKind.tcp.address(), remote: .tcp(host: "localhost", port: port))
        ) { events.add($0) }
      }
      let entrance = try #require(try await events.address())
      let program = try await PlainSocket.connect(to: entrance, on: loop)
      await program.send("x")
      try await program.until("the echo") { $0.text == "x" }
      task.cancel()
      _ = await task.result
      await connection.close()
      await service.stop()
      await Task.detached { await loop.shutDown() }.value
    }
  }
}
