import Glibc
import Testing

/// Which proofs a server takes over TLS, for each combination of its options.
@Suite(
  "The proofs that a server takes over TLS", .timeLimit(.minutes(15)),
  .enabled(if: Authority.hasOpenSSL && SSHTools.areInstalled, "openssl and ssh-keygen are needed"))
struct ProofCombinationTests {
  /// How a client proves itself.
  enum Proof: String, CaseIterable, Sendable {
    case token, key, certificate
    /// A certificate of an authority that the server does not know.
    case foreignCertificate = "foreign certificate"
  }

  /// The options of a server, and the proofs that it takes.
  struct Server: Sendable, CustomTestStringConvertible {
    var authority = false
    /// The value of `--authorized-keys`; nil for the default.
    var keys: Keys?
    /// Whether it listens on TCP too, so that it has a token in any case.
    var tcp = false
    var takes: Set<Proof>

    enum Keys: Sendable { case file, none }

    var testDescription: String {
      [authority ? "--client-ca" : nil, keys.map { "--authorized-keys \($0)" }, tcp ? "tcp" : nil]
        .compactMap { $0 }.joined(separator: " ")
    }
  }

  @Test(
    "are those of its options, and no others",
    arguments: [
      // The default file of keys is there. A certificate is not asked for, so it proves nothing.
      Server(takes: [.token, .key]),
      Server(keys: .file, takes: [.token, .key]),
      Server(keys: Server.Keys.none, takes: [.token]),
      Server(authority: true, takes: [.certificate]),
      Server(authority: true, keys: Server.Keys.none, takes: [.certificate]),
      Server(authority: true, keys: .file, takes: [.certificate, .key]),
      Server(authority: true, tcp: true, takes: [.certificate]),
      Server(authority: true, keys: .file, tcp: true, takes: [.certificate, .key]),
    ])
  func combination(_ server: Server) async throws {
    let sandbox = try Sandbox()
    let folder = sandbox.folder
    let made = try await sandbox.shell(
      """
      mkdir -m 700 \(folder)/.ssh && ssh-keygen -q -t ed25519 -N '' -C '' -f \(folder)/key &&
        cp \(folder)/key.pub \(folder)/.ssh/authorized_keys && cp \(folder)/key.pub \(folder)/keys
      """)
    #expect(made.status == 0)
    let authority = try await Authority(sandbox)
    let certificate = try await authority.client("client")
    let foreign = try await Authority(sandbox, name: "foreign").client("foreign")
    var options = ["serve", "--listen", "tls:127.0.0.1:0"]
    if server.tcp { options += ["--listen", "tcp:127.0.0.1:0"] }
    if server.authority { options += ["--client-ca", authority.certificate] }
    switch server.keys {
    case .file: options += ["--authorized-keys", folder + "/keys"]
    case Server.Keys.none?: options += ["--authorized-keys", "none"]
    case nil: break
    }
    let process = try sandbox.start(options)
    guard let line = await process.line(), let port = line.split(separator: ":").last else {
      throw Failed("no server: \(await process.finish().errorText)")
    }
    let token = folder + "/.config/telpher/token"
    if !sandbox.exists(token) {
      // A client needs one to try it.
      sandbox.write(String(repeating: "0", count: 64) + "\n", to: token)
    }
    for proof in Proof.allCases {
      let shown =
        switch proof {
        case .token: ["--token-file", token]
        case .key: ["--identity", folder + "/key"]
        case .certificate:
          ["--client-cert", certificate.certificate, "--client-key", certificate.key]
        case .foreignCertificate:
          ["--client-cert", foreign.certificate, "--client-key", foreign.key]
        }
      let client = try sandbox.start(
        ["run", "--on", "tls://127.0.0.1:\(port)", "--accept-new"] + shown + ["--", "echo", "in"])
      let result = await client.finish()
      let isIn = server.takes.contains(proof)
      #expect(result.text == (isIn ? "in\n" : ""), "\(proof.rawValue): \(result.errorText)")
      #expect(result.status == (isIn ? 0 : 125), "\(proof.rawValue): \(result.errorText)")
    }
    process.signal(SIGTERM)
    #expect(await process.finish().status == 0)
  }
}

extension Sandbox {
  fileprivate func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}
