import TelpherNATS
import TelpherTestSupport
import TelpherTransport
import Testing

/// Servers that violate the protocol.
@Suite struct HostileServerTests {
  private static let info = "INFO {\"headers\":true,\"max_payload\":1048576}\r\n"

  private static func with(
    _ backend: SystemBackend, first: String, second: String = "",
    trust: NATSTrust? = nil,
    _ body: (ScriptedServer, NATSConfiguration, any EventLoop) async throws -> Void
  ) async throws {
    let loop = try backend.makeLoop()
    let server = ScriptedServer(on: loop, first: first, second: second)
    let port = try await server.start()
    var configuration = NATSConfiguration(
      servers: [NATSAddress(host: "127.0.0.1", port: port)], credentials: .token("secret"),
      trust: trust)
    configuration.longestPause = .milliseconds(50)
    let result: Result<Void, any Error>
    do { result = .success(try await body(server, configuration, loop)) } catch {
      result = .failure(error)
    }
    await server.stop()
    // After the call of the actor, this task may still be on the loop's thread.
    await Task.detached { await loop.shutDown() }.value
    try result.get()
  }

  @Test(arguments: SystemBackend.all)
  func `A server that begins with something else learns nothing`(
    _ backend: SystemBackend
  ) async throws {
    for first in ["HTTP/1.1 400 Bad Request\r\n\r\n", "INFO {}\r\n", "PING\r\n", "INFO {\r\n"] {
      try await Self.with(backend, first: first) { server, configuration, loop in
        let attempt = Task {
          try await NATSConnection.connect(configuration, on: loop, within: .seconds(3_600))
        }
        try await eventually("it is tried again") { await server.connections > 1 }
        attempt.cancel()
        let found = try await code { _ = try await attempt.value }
        #expect(found == .canceled)
        #expect(await server.received.isEmpty)
      }
    }
  }

  @Test func `Bytes between INFO and TLS end the connection before the credentials are sent`()
    async throws
  {
    let first = "INFO {\"headers\":true,\"tls_required\":true}\r\nPONG\r\n"
    try await Self.with(.uv, first: first, trust: .systemAuthorities) {
      server, configuration, loop in
      let found = try await code {
        _ = try await NATSConnection.connect(configuration, on: loop, within: .milliseconds(300))
      }
      #expect(found == .notSent)
      #expect(await server.received.isEmpty)
    }
  }

  @Test(arguments: ["PONG\r\n", "NONSENSE\r\n", "MSG a 1 99999999999\r\n"])
  func `A violation ends the connection, and another one is made`(_ line: String) async throws {
    try await Self.with(.uv, first: Self.info, second: "PONG\r\n" + line) {
      server, configuration, loop in
      let connection = try await NATSConnection.connect(
        configuration, on: loop, within: .seconds(120))
      try await eventually("it connects again") { await server.connections > 2 }
      try await eventually("it has left") { await server.ended > 1 }
      await connection.close()
    }
  }

  @Test func `Messages for no subscription are dropped`() async throws {
    let lines = "PONG\r\nMSG a 999 2\r\nhi\r\nMSG _INBOX.x 1 2\r\nhi\r\n-ERR 'odd'\r\nPING\r\n"
    try await Self.with(.uv, first: Self.info, second: lines) { server, configuration, loop in
      let connection = try await NATSConnection.connect(
        configuration, on: loop, within: .seconds(120))
      try await eventually("it answers the PING") {
        await String(decoding: server.received, as: UTF8.self).contains("PONG\r\n")
      }
      #expect(await server.connections == 1)
      await connection.close()
    }
  }
}
