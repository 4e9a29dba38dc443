import Glibc
import TelpherTestSupport
import Testing

@Suite("A server with TLS")
struct TLSServerTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  static let programs =
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    .joined(separator: "/") + "/Programs/"

  /// Whether the programs of these tests can run.
  static let hasPrograms = Authority.hasOpenSSL && access("/usr/bin/python3", X_OK) == 0

  private func serve(_ options: [String] = []) async throws -> (server: Child, port: String) {
    let server = try sandbox.start(["serve", "--listen", "tls:127.0.0.1:0"] + options)
    guard let line = await server.line(), let port = line.split(separator: ":").last else {
      throw Failed("no server: \(await server.finish().errorText)")
    }
    return (server, String(port))
  }

  private func end(_ server: Child) async {
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test("serves all that other servers do")
  func commands() async throws {
    try await Sandbox.with(keep: "60") { sandbox in
      let (server, addresses) = try await sandbox.serve("--listen", "tls:127.0.0.1:0")
      let address = "tls://" + (try #require(addresses.first)).dropFirst("tls:".count)
      let options = ["--on", address]
      #expect(try await sandbox.telpher("ping", "--on", address, "--accept-new").status == 0)
      let big = try await sandbox.shell(
        "head -c 3000000 /dev/zero | telpher run --on \(address) -i -- cat | wc -c")
      #expect(big.text == "3000000\n")
      sandbox.write("content", to: sandbox.folder + "/a")
      for arguments in [
        ["put", sandbox.folder + "/a", "b"], ["get", "b", sandbox.folder + "/c"], ["ls"],
        ["stat", "b"], ["info"], ["ps"], ["run", "--detach", "--name", "j", "--", "true"],
        ["wait", "j"], ["jobs", "--all"],
      ] {
        let child = try sandbox.start([arguments[0]] + options + arguments.dropFirst())
        let result = await child.finish()
        #expect(result.status == 0, "\(arguments): \(result.errorText)")
      }
      #expect(try await sandbox.shell("cat \(sandbox.folder)/c").text == "content")
      let info = try await sandbox.telpher("info", "--on", address)
      #expect(info.text.contains("tls: TLS_") && info.text.lowercased().contains("x25519"))
      #expect(try await sandbox.telpher("forget", "--on", address, "j").status == 0)
      let status = try await sandbox.telpher("run", "--on", address, "--", "sh", "-c", "exit 7")
      #expect(status.status == 7)
      // All of them have used one connection.
      #expect(try await sandbox.telpher("connections").text.split(separator: "\n").count == 1)
      _ = try await sandbox.telpher("disconnect", "--now")
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
    }
  }

  @Test("refuses a client without the token")
  func wrongToken() async throws {
    let (server, port) = try await serve()
    sandbox.write(String(repeating: "0", count: 64) + "\n", to: sandbox.folder + "/wrong")
    let refused = try await sandbox.telpher(
      "run", "--on", "tls://127.0.0.1:\(port)", "--accept-new", "--token-file",
      sandbox.folder + "/wrong", "--", "echo", "hi")
    #expect(refused.status == 125)
    #expect(refused.output.isEmpty)
    #expect(refused.errorText.contains("token"))
    await end(server)
  }

  @Test("speaks TLS 1.3 with openssl, and nothing older", .enabled(if: Authority.hasOpenSSL))
  func versions() async throws {
    let (server, port) = try await serve()
    let new = try await sandbox.shell(
      "openssl s_client -connect 127.0.0.1:\(port) -tls1_3 </dev/null")
    #expect(new.text.contains("TLSv1.3"))
    #expect(new.text.contains("Peer signature type: ed25519"))
    // No ticket with which the session could be resumed.
    #expect(!new.text.contains("TLS session ticket:"))
    for version in ["-tls1_2", "-tls1_1"] {
      let old = try await sandbox.shell(
        "openssl s_client -connect 127.0.0.1:\(port) \(version) </dev/null")
      #expect(old.status != 0)
      #expect(old.errorText.contains("alert"))
    }
    await end(server)
  }

  @Test(
    "can't be reached through something in between that has a key of its own",
    .enabled(if: hasPrograms))
  func relayInBetween() async throws {
    let (server, port) = try await serve()
    let real = "tls://127.0.0.1:\(port)"
    let authority = try await Authority(sandbox)
    let relay = try Child(
      [
        "env", "python3", Self.programs + "tls_relay.py", port, authority.certificate,
        authority.certificate.replacing(".pem", with: ".key"),
      ],
      environment: sandbox.environment, input: .pipe)
    let relayed = "tls://127.0.0.1:\(try #require(await relay.line()))"
    let pinned = try await sandbox.telpher("ping", "--on", real, "--accept-new")
    #expect(pinned.status == 0)
    let fingerprint = String(try await sandbox.telpher("keys").text.split(separator: " ")[1])
    // A client that knows the key does not even complete the handshake.
    let wrongKey = try await sandbox.telpher(
      "run", "--on", relayed, "--host-key", fingerprint, "--", "echo", "hi")
    #expect(wrongKey.status == 125)
    #expect(wrongKey.errorText.contains("not \(fingerprint) as given"))
    // A client that accepts any key notices that the proof of the server is for another channel.
    let wrongChannel = try await sandbox.telpher(
      "run", "--on", relayed, "--accept-new", "--", "echo", "hi")
    #expect(wrongChannel.status == 125)
    #expect(wrongChannel.output.isEmpty)
    #expect(wrongChannel.errorText.contains("could not prove that it knows the token"))
    relay.closeInput()
    #expect(await relay.wait() == 0)
    await end(server)
  }

  @Test("takes only certificates of its authorities", .enabled(if: hasPrograms))
  func certificates() async throws {
    let authority = try await Authority(sandbox)
    let good = try await authority.client("good")
    let named = try await authority.client("named", names: "DNS:build.example.com")
    let nameless = try await authority.client("nameless", names: "IP:127.0.0.1")
    let expired = try await authority.client("expired", isExpired: true)
    let revoked = try await authority.client("revoked")
    try await authority.revoke(revoked.certificate)
    let foreign = try await Authority(sandbox, name: "foreign").client("foreign")
    let (server, port) = try await serve(
      ["--client-ca", authority.certificate, "--client-crl", authority.revocationList])
    let address = "tls://127.0.0.1:\(port)"

    func run(_ certificate: (certificate: String, key: String)?) async throws -> Finished {
      var options = ["run", "--on", address, "--accept-new"]
      if let certificate {
        options += ["--client-cert", certificate.certificate, "--client-key", certificate.key]
      }
      return await (try sandbox.start(options + ["--", "echo", "hi"])).finish()
    }
    for certificate in [good, named] {
      let result = try await run(certificate)
      #expect(result.text == "hi\n", "\(result.errorText)")
    }
    for (certificate, reason) in [
      (nameless, "neither a URI nor a DNS name"), (expired, "expired"), (revoked, "revoked"),
      (foreign, "does not know the authority"), (nil, "--client-cert"),
    ] {
      let result = try await run(certificate)
      #expect(result.status == 125)
      #expect(result.output.isEmpty)
      #expect(result.errorText.contains(reason), "\(result.errorText)")
    }
    // A client with an ssh key, which this server does not take.
    let keyed = try await sandbox.shell(
      "ssh-keygen -q -t ed25519 -N '' -f ~/key && telpher run --on \(address) --identity ~/key --json -- true"
    )
    #expect(keyed.text.contains("it requires a client certificate"), "\(keyed.text)")
    #expect(keyed.text.contains("not_authenticated"), "\(keyed.text)")
    let python = try Child(
      [
        "env", "python3", Self.programs + "tls_client.py", port, good.certificate, good.key, "sh",
        "-c",
        "echo from python; exit 3",
      ], environment: sandbox.environment)
    let result = await python.finish()
    #expect(result.text == "TLSv1.3\nfrom python\n", "\(result.errorText)")
    #expect(result.status == 3)
    await end(server)
  }

  @Test(
    "records the names in a certificate that it refuses, and why",
    .enabled(if: Authority.hasOpenSSL))
  func refusedCertificates() async throws {
    let authority = try await Authority(sandbox)
    let revoked = try await authority.client("gone", names: "DNS:gone.example.com")
    try await authority.revoke(revoked.certificate)
    let old = try await authority.client("old", names: "URI:spiffe://test/old", isExpired: true)
    let nameless = try await authority.client("nameless", names: "IP:127.0.0.1")
    let foreign = try await Authority(sandbox, name: "foreign").client(
      "foreign", names: "DNS:other.example.com")
    let audit = sandbox.folder + "/audit"
    let (server, port) = try await serve([
      "--client-ca", authority.certificate, "--client-crl", authority.revocationList, "--audit",
      audit,
    ])
    for (client, names, reason) in [
      (revoked, "gone.example.com, CN=gone", "revoked"),
      (old, "spiffe://test/old, CN=old", "expired"),
      (nameless, "CN=nameless", "neither a URI nor a DNS name"),
      (foreign, "other.example.com, CN=foreign", "issuer"),
    ] {
      let result = await
        (try sandbox.start([
          "run", "--on", "tls://127.0.0.1:\(port)", "--accept-new", "--client-cert",
          client.certificate, "--client-key", client.key, "--", "true",
        ])).finish()
      #expect(result.status == 125)
      let name = String(names.prefix { $0 != "," })
      var record = ""
      for _ in 0..<200 where record.isEmpty {
        record = try await sandbox.telpher("audit", audit, "--identity", name).text
      }
      #expect(record.contains(" refused 0 unknown as \(names) from 127.0.0.1"), "\(record)")
      #expect(record.contains(reason), "\(record)")
      #expect(record.split(separator: "\n").count == 1, "\(record)")
    }
    await end(server)
  }

  @Test(
    "reads its revocation list again at SIGHUP, and keeps open connections",
    .enabled(if: hasPrograms))
  func reload() async throws {
    let authority = try await Authority(sandbox)
    let client = try await authority.client("client")
    let (server, port) = try await serve(
      ["--client-ca", authority.certificate, "--client-crl", authority.revocationList])
    let options = [
      "--on", "tls://127.0.0.1:\(port)", "--accept-new", "--client-cert", client.certificate,
      "--client-key", client.key,
    ]
    let open = try sandbox.start(["run"] + options + ["-i", "--", "cat"], input: .pipe)
    await open.write("x\n")
    #expect(await open.line() == "x")
    try await authority.revoke(client.certificate)
    server.signal(SIGHUP)
    // The signal takes effect soon.
    var status: Int32 = 0
    for _ in 0..<200 where status == 0 {
      status = await (try sandbox.start(["ping"] + options)).finish().status
    }
    #expect(status == 125)
    await open.write("y\n")
    #expect(await open.line() == "y")
    open.closeInput()
    #expect(await open.finish().status == 0)
    await end(server)
  }

  @Test(
    "keeps its revocation list if the file becomes empty, and starts with no empty one",
    .enabled(if: hasPrograms), arguments: ["", "\n", "no list\n"])
  func brokenList(_ text: String) async throws {
    let authority = try await Authority(sandbox)
    let client = try await authority.client("client")
    try await authority.revoke(client.certificate)
    let arguments = [
      "--client-ca", authority.certificate, "--client-crl", authority.revocationList,
    ]
    let audit = sandbox.folder + "/audit"
    let (server, port) = try await serve(arguments + ["--audit", audit])
    sandbox.write(text, to: authority.revocationList)
    #expect(unlink(audit) == 0)
    server.signal(SIGHUP)
    // The server makes the audit file anew after it has read its certificates.
    try await eventually("the signal has taken effect") { access(audit, F_OK) == 0 }
    let refused = await
      (try sandbox.start(
        [
          "run", "--on", "tls://127.0.0.1:\(port)", "--accept-new", "--client-cert",
          client.certificate, "--client-key", client.key, "--", "echo", "hi",
        ])).finish()
    #expect(refused.output.isEmpty)
    #expect(refused.errorText.contains("revoked"), "\(refused.errorText)")
    await end(server)
    let started = await (try sandbox.start(["serve", "--listen", "tls:127.0.0.1:0"] + arguments))
      .finish()
    #expect(started.status != 0)
    #expect(
      started.errorText.contains("it holds no revocation list in PEM"), "\(started.errorText)")
  }

  @Test(
    "refuses the clients of an authority that its own authority has revoked, or of which a list is missing",
    .enabled(if: hasPrograms))
  func revokedAuthority() async throws {
    let root = try await Authority(sandbox, name: "root")
    let middle = try await root.authority("middle")
    let client = try await middle.client("client")
    _ = try await sandbox.shell("cat '\(middle.certificate)' >>'\(client.certificate)'")
    let lists = sandbox.folder + "/lists"
    func outcome() async throws -> Finished {
      let (server, port) = try await serve(
        ["--client-ca", root.certificate, "--client-crl", lists])
      let result = await
        (try sandbox.start(
          [
            "run", "--on", "tls://127.0.0.1:\(port)", "--accept-new", "--client-cert",
            client.certificate, "--client-key", client.key, "--", "echo", "hi",
          ])).finish()
      await end(server)
      return result
    }
    let join = "cat '\(root.revocationList)' '\(middle.revocationList)' >'\(lists)'"
    _ = try await sandbox.shell(join)
    let before = try await outcome()
    #expect(before.text == "hi\n", "\(before.errorText)")
    for left in [root.revocationList, middle.revocationList] {
      _ = try await sandbox.shell("cat '\(left)' >'\(lists)'")
      let result = try await outcome()
      #expect(result.output.isEmpty)
      #expect(result.status == 125, "\(result.errorText)")
    }
    try await root.revoke(middle.certificate)
    _ = try await sandbox.shell(join)
    let after = try await outcome()
    #expect(after.output.isEmpty)
    #expect(after.errorText.contains("revoked"), "\(after.errorText)")
  }
}
