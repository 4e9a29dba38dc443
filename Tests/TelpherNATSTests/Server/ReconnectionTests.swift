import TelpherNATS
import TelpherTestSupport
import TelpherTransport
import Testing

/// A nats-server that is killed, restarted and frozen under its clients.
@Suite(.enabled(if: NATSServer.program != nil, NATSServer.missing))
struct ReconnectionTests {
  @Test(arguments: SystemBackend.all)
  func `After a restart the client comes back with its subscriptions`(
    _ backend: SystemBackend
  ) async throws {
    try await Stage.with(backend) { stage in
      let connection = try await stage.connect()
      let inbox = Inbox()
      _ = await connection.subscribe("a") { inbox.receive($0) }
      try await connection.flush()
      for round in 1...3 {
        let unanswered = Task { try await connection.request("a", [], within: .seconds(3_600)) }
        try await eventually("the request has arrived") { inbox.messages.count == 2 * round - 1 }
        stage.server.kill()
        // What was sent may have been handled; nothing sends it again.
        #expect(try await code { _ = try await unanswered.value } == .disconnected)
        // What is to be sent now waits for the server.
        let waiting = Task { try await connection.publish("a", [], within: .seconds(3_600)) }
        try stage.server.start()
        try await waiting.value
        try await eventually("the message has arrived") { inbox.messages.count == 2 * round }
      }
      #expect(inbox.errors.isEmpty)
      await connection.close()
    }
  }

  @Test func `Without a server nothing is sent, and the error says why`() async throws {
    try await Stage.with { stage in
      let connection = try await stage.connect()
      stage.server.kill()
      try await eventually("the loss is known") { await connection.serverInfo == nil }
      do throws(NATSError) {
        try await connection.publish("a", [], within: .milliseconds(50))
        Issue.record("it was sent")
      } catch {
        #expect(error.code == .notSent)
        #expect(error.message.hasPrefix("no connection to a NATS server: "))
      }
      #expect(
        try await code {
          _ = try await NATSConnection.connect(
            stage.configuration(), on: stage.loop, within: .milliseconds(50))
        } == .notSent)
      await connection.close()
    }
  }

  @Test func `A server that has fallen silent is left for another one`() async throws {
    try await Stage.with { stage in
      var configuration = try stage.configuration()
      configuration.pingInterval = .milliseconds(100)
      let connection = try await NATSConnection.connect(
        configuration, on: stage.loop, within: .seconds(120))
      try await stage.server.freeze()
      #expect(
        try await code { _ = try await connection.request("a", [], within: .seconds(3_600)) }
          == .disconnected)
      stage.server.thaw()
      try await connection.publish("a", [], within: .seconds(120))
      await connection.close()
    }
  }

  @Test func `If one server is lost, the next one is used`() async throws {
    try await Stage.with { stage in
      let second = try NATSServer.started()
      var configuration = try stage.configuration()
      configuration.servers.append(try NATSAddress(parsing: second.address))
      let connection = try await NATSConnection.connect(
        configuration, on: stage.loop, within: .seconds(120))
      stage.server.kill()
      second.kill()
      try await eventually("the loss is known") { await connection.serverInfo == nil }
      try second.start()
      try await connection.publish("a", [], within: .seconds(120))
      second.kill()
      try stage.server.start()
      try await eventually("the loss is known") { await connection.serverInfo == nil }
      try await connection.publish("a", [], within: .seconds(120))
      await connection.close()
      withExtendedLifetime(second) {}
    }
  }
}
