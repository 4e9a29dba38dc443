import TelpherTestSupport
import TelpherTransport
import Testing

/// Connections by vsock, where the kernel has it.
@Suite(.timeLimit(.minutes(1)), .enabled(if: Vsock.exists, "this kernel has no vsock"))
struct VsockTests {
  @Test(arguments: Backends.all)
  func aListenerGetsAFreePort(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let doors = try (0..<2).map { _ in
        try stage.serve(stage.bind(to: .vsock(.any, port: 0)))
      }
      let ports = doors.map { door in
        if case .vsock(.any, let port) = door.socket.address { port } else { UInt32(0) }
      }
      #expect(ports.allSatisfy { $0 > 0 })
      #expect(ports[0] != ports[1])
      #expect(throws: TransportError.self) { try stage.bind(to: doors[0].socket.address) }
    }
  }

  @Test(.enabled(if: Vsock.hasLoopback, "\(Vsock.reason)"), arguments: Backends.all)
  func bytesAndEndsPassBothWays(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let door = try stage.serve(stage.bind(to: .vsock(.any, port: 0)))
      guard case .vsock(_, let port) = door.socket.address else { return }
      let client = try await stage.connect(to: .vsock(.local, port: port))
      try await stage.until("accepted") { !door.accepted.isEmpty }
      let server = door.accepted[0]
      #expect(server.stream.peer == .vsock(.local, reached: .local))
      #expect(client.stream.tcpPorts == nil)
      client.resume()
      server.resume()
      let bytes = [UInt8](repeating: 7, count: 300_000)
      client.write(head: [1], body: Chunk(bytes))
      client.finishWriting()
      try await stage.until("the end arrives") { server.hasEnded }
      #expect(server.bytes == [1] + bytes)
      server.write([2])
      server.finishWriting()
      try await stage.until("the other end arrives") { client.hasEnded }
      #expect(client.bytes == [2])
      #expect(client.ends == [nil])
    }
  }

  /// Without loopback the kernel gives up after two seconds.
  @Test(arguments: Backends.all)
  func connectingToAPortAtWhichNothingListensFails(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let socket = try stage.bind(to: .vsock(.any, port: 0))
      guard case .vsock(_, let port) = socket.address else { return }
      stage.rig.close(socket)
      await #expect(throws: TransportError.self) {
        _ = try await stage.connect(to: .vsock(.local, port: port))
      }
    }
  }

  /// The end of a loop ends an attempt to connect, which may be under way for long.
  @Test(arguments: Backends.all)
  func theEndOfALoopEndsAnAttempt(_ backend: TransportUnderTest) async throws {
    let calls = Shared(0)
    try await backend.run { stage in
      stage.loop.connect(to: .vsock(.local, port: 4_000_000_000)) { result in
        calls.withLock { $0 += 1 }
        if case .success = result { Issue.record("nothing listens there") }
      }
    }
    #expect(calls.withLock { $0 } == 1)
  }
}
