import Glibc
import TelpherNATS
import TelpherTestSupport
import TelpherTransport
import Testing

/// TLS with a real nats-server, whose certificate the tool of OpenSSL has made.
@Suite(
  .enabled(if: NATSServer.program != nil, NATSServer.missing),
  .enabled(if: access("/usr/bin/openssl", X_OK) == 0, "there is no openssl"))
struct EncryptionTests {
  /// Runs `body` with a server that demands TLS, and the authority that has signed its certificate.
  ///
  /// - Parameter host: the host of the certificate; nil for the server's.
  private static func with(
    _ backend: SystemBackend = .uv, host: String? = nil,
    _ body: (Stage, [UInt8]) async throws -> Void
  ) async throws {
    let server = try NATSServer()
    let folder = server.folder
    func openssl(_ arguments: String) throws {
      try folder.run(["/usr/bin/openssl"] + arguments.split(separator: " ").map(String.init))
    }
    try openssl(
      "req -x509 -newkey ed25519 -nodes -days 2 -subj /CN=authority -keyout \(folder.file("ca.key")) -out \(folder.file("ca.pem"))"
    )
    try openssl(
      "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=server -CA \(folder.file("ca.pem")) -CAkey \(folder.file("ca.key")) -addext subjectAltName=IP:\(host ?? server.host) -keyout \(folder.file("server.key")) -out \(folder.file("server.pem"))"
    )
    try server.configure(
      "tls { cert_file: \"\(folder.file("server.pem"))\", key_file: \"\(folder.file("server.key"))\" }"
    )
    try server.start()
    let loop = try backend.makeLoop()
    let authority = Array(try folder.text("ca.pem").utf8)
    let result: Result<Void, any Error>
    do { result = .success(try await body(Stage(server: server, loop: loop), authority)) } catch {
      result = .failure(error)
    }
    server.kill()
    await loop.shutDown()
    try result.get()
  }

  /// Connects by a scheme; the limit is short if the connection is to fail.
  private static func connect(
    _ stage: Stage, scheme: String, _ trust: NATSTrust?, within limit: Duration = .seconds(120)
  ) async throws -> NATSConnection {
    var configuration = try stage.configuration()
    configuration.servers = [
      try NATSAddress(parsing: "\(scheme)://\(stage.server.host):\(stage.server.port)")
    ]
    configuration.trust = trust
    return try await NATSConnection.connect(configuration, on: stage.loop, within: limit)
  }

  @Test(arguments: SystemBackend.all)
  func `Messages are encrypted with tls:// and if the server demands it`(
    _ backend: SystemBackend
  ) async throws {
    try await Self.with(backend) { stage, authority in
      for scheme in ["tls", "nats"] {
        let connection = try await Self.connect(stage, scheme: scheme, .authorities(authority))
        let inbox = Inbox()
        _ = await connection.subscribe("a") { inbox.receive($0) }
        let payload = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
        try await connection.publish("a", payload)
        try await connection.flush()
        #expect(inbox.messages.map(\.payload) == [payload])
        await connection.close()
      }
    }
  }

  /// Checks that a connection is refused for a reason.
  private static func isRefused(
    _ stage: Stage, scheme: String, _ trust: NATSTrust?, _ reason: String
  ) async throws {
    // The server runs: a connection with the right authority comes before the short limit counts.
    var message = ""
    try await eventually("the server answers") {
      do {
        let connection = try await connect(
          stage, scheme: scheme, trust, within: .milliseconds(300))
        await connection.close()
        message = "it was accepted"
      } catch let error as NATSError {
        message = error.message
      }
      return !message.contains("refused") && !message.contains("not open yet")
    }
    #expect(message.contains(reason), "\(message)")
  }

  @Test func `A server that another authority has signed, or for another host, is refused`()
    async throws
  {
    try await Self.with(host: "127.0.0.1") { stage, authority in
      try await Self.isRefused(stage, scheme: "tls", .authorities(authority), "IP address mismatch")
      try await Self.isRefused(
        stage, scheme: "tls", .systemAuthorities, "unable to get local issuer certificate")
      try await Self.isRefused(stage, scheme: "nats", nil, "demands TLS")
    }
  }

  @Test func `A server without TLS is refused with tls://`() async throws {
    try await Stage.with { stage in
      try await Self.isRefused(stage, scheme: "tls", .systemAuthorities, "offers no TLS")
    }
  }
}
