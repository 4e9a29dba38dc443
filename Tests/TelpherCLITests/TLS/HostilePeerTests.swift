import Glibc
import Testing

@Suite(
  "Peers that break the protocol over TLS", .timeLimit(.minutes(10)),
  .enabled(if: TLSServerTests.hasPrograms, "openssl and python3 are needed"))
struct HostilePeerTests {
  /// Runs `body` with a server that takes certificates, and a certificate.
  private func withServer(
    _ body: (Sandbox, _ port: String, (certificate: String, key: String)) async throws -> Void
  ) async throws {
    let sandbox = try Sandbox()
    let authority = try await Authority(sandbox)
    let certificate = try await authority.client("client")
    let server = try sandbox.start([
      "serve", "--listen", "tls:127.0.0.1:0", "--client-ca", authority.certificate,
      "--authorized-keys", sandbox.folder + "/none",
    ])
    guard let line = await server.line(), let port = line.split(separator: ":").last else {
      throw Failed("no server: \(await server.finish().errorText)")
    }
    try await body(sandbox, String(port), certificate)
    // It still serves.
    let client = try sandbox.start([
      "run", "--on", "tls://127.0.0.1:\(port)", "--accept-new", "--client-cert",
      certificate.certificate, "--client-key", certificate.key, "--", "echo", "hi",
    ])
    #expect(await client.finish().text == "hi\n")
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test("cannot send a HELLO that is too long, nor a second one", arguments: [true, false])
  func longHello(isKnown: Bool) async throws {
    try await withServer { sandbox, port, certificate in
      let mark = sandbox.folder + "/mark"
      for length in [4_097, 1 << 20, 0x7fff_ffff] + (isKnown ? [100] : []) {
        let child = try Child(
          ["env", "python3", TLSServerTests.programs + "tls_hostile.py", port, "\(length)", mark]
            + (isKnown ? [certificate.certificate, certificate.key] : []),
          environment: sandbox.environment)
        let result = await child.finish()
        #expect(result.text.contains("HELLO"), "\(length): \(result.text)\(result.errorText)")
        #expect(access(mark, F_OK) != 0)
      }
    }
  }

  /// TLS 1.3 has no renegotiation: what is left of it is a new key, which both sides may take.
  @Test("cannot renegotiate, and may change their keys")
  func renegotiation() async throws {
    try await withServer { sandbox, port, certificate in
      for (command, expected) in [("R", "can_renegotiate:wrong ssl version"), ("K", "KEYUPDATE")] {
        let result = try await sandbox.shell(
          "echo \(command) | timeout 60 openssl s_client -connect 127.0.0.1:\(port) -cert \(certificate.certificate) -key \(certificate.key) 2>&1"
        )
        #expect(result.text.contains(expected), "\(result.text)")
        #expect(result.text.contains("Secure Renegotiation IS NOT supported"))
      }
    }
  }
}
