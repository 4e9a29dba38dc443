import Glibc
import Testing

@Suite("A server's host key")
struct HostKeyTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  private var config: String { sandbox.folder + "/.config/telpher" }

  /// Starts a server, and returns its address and its fingerprint.
  private func serve(
    _ options: [String] = []
  ) async throws -> (server: Child, address: String, fingerprint: String) {
    let server = try sandbox.start(["serve", "--listen", "tls:127.0.0.1:0"] + options)
    guard let first = await server.line(), let second = await server.line(),
      first.hasPrefix("listening on tls:"), second.hasPrefix("host key SHA256:")
    else { throw Failed("no server: \(await server.finish().errorText)") }
    return (
      server, "tls://" + first.dropFirst("listening on tls:".count),
      String(second.split(separator: " ")[2])
    )
  }

  private func end(_ server: Child) async {
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test("is made once, is only the user's, and is printed with its fingerprint")
  func file() async throws {
    let first = try await serve()
    await end(first.server)
    let second = try await serve()
    await end(second.server)
    #expect(first.fingerprint == second.fingerprint)
    #expect(mode(of: config + "/host_key") == 0o600)
    // Not a server that any user could pose as.
    chmod(config + "/host_key", 0o644)
    let third = await (try sandbox.start(["serve", "--listen", "tls:127.0.0.1:0"])).finish()
    #expect(third.status == 125)
    #expect(third.errorText.contains("other users can read"))
  }

  @Test("is refused without a terminal if it is unknown, and nothing is remembered")
  func unknown() async throws {
    let (server, address, fingerprint) = try await serve()
    let refused = try await sandbox.telpher("run", "--on", address, "--", "true")
    #expect(refused.status == 125)
    #expect(refused.errorText.contains("--host-key \(fingerprint)"))
    #expect(mode(of: config + "/known_hosts") == nil)
    #expect(try await sandbox.telpher("keys").output.isEmpty)
    await end(server)
  }

  @Test("is accepted by its fingerprint, and only by that")
  func pinned() async throws {
    let (server, address, fingerprint) = try await serve()
    let pinned = try await sandbox.telpher(
      "run", "--on", address, "--host-key", fingerprint, "--", "echo", "hi")
    #expect(pinned.text == "hi\n")
    #expect(pinned.status == 0)
    let other = "SHA256:" + String(repeating: "A", count: 43)
    let refused = try await sandbox.telpher(
      "run", "--on", address, "--host-key", other, "--", "echo", "hi")
    #expect(refused.status == 125)
    #expect(refused.output.isEmpty)
    #expect(refused.errorText.contains(fingerprint) && refused.errorText.contains(other))
    #expect(mode(of: config + "/known_hosts") == nil)
    let malformed = try await sandbox.telpher(
      "run", "--on", address, "--host-key", "SHA256:AAA", "--", "true")
    #expect(malformed.status == 125)
    #expect(malformed.errorText.contains("is not a fingerprint"))
    await end(server)
  }

  @Test("is refused if it is revoked, also if its fingerprint is given")
  func revoked() async throws {
    let (server, address, fingerprint) = try await serve()
    #expect(try await sandbox.telpher("ping", "--on", address, "--accept-new").status == 0)
    let edited = try await sandbox.shell(
      "{ sed 's/^[^ ]*/@revoked */' \(config)/known_hosts; } >\(config)/new; mv \(config)/new \(config)/known_hosts"
    )
    #expect(edited.status == 0)
    for options in [[], ["--accept-new"], ["--host-key", fingerprint]] {
      let child = try sandbox.start(
        ["run", "--on", address, "--keep", "0"] + options + ["--", "echo", "hi"])
      let refused = await child.finish()
      #expect(refused.status == 125 && refused.output.isEmpty)
      #expect(refused.errorText.contains("is revoked by line 1"), "\(refused.errorText)")
    }
    await end(server)
  }

  @Test("can't be given, nor an ssh key, for a server without TLS")
  func withoutTLS() async throws {
    let fingerprint = "SHA256:" + String(repeating: "A", count: 43)
    let (server, addresses) = try await sandbox.serve("--listen", "unix:\(sandbox.socket)")
    for options in [
      ["--host-key", fingerprint], ["--identity", "/nothing"],
      ["--client-cert", "/nothing", "--client-key", "/nothing"],
    ] {
      for address in [["--on", addresses[0]], ["--on", "exec:false"], []] {
        let child = try sandbox.start(["run"] + address + options + ["--", "echo", "hi"])
        let refused = await child.finish()
        #expect(refused.status == 125 && refused.output.isEmpty)
        #expect(refused.errorText.contains("\(options[0]) is for tls addresses only"))
      }
    }
    await end(server)
  }

  @Test("is remembered with --accept-new, and shown by 'telpher keys' as ssh-keygen shows it")
  func acceptNew() async throws {
    let (server, address, fingerprint) = try await serve()
    for options in [["--accept-new"], []] {
      let child = try sandbox.start(["run", "--on", address] + options + ["--", "echo", "hi"])
      #expect(await child.finish().text == "hi\n")
    }
    let name = "[127.0.0.1]:" + address.split(separator: ":").last!
    #expect(try await sandbox.telpher("keys").text == "\(name) \(fingerprint) (ED25519)\n")
    #expect(try await sandbox.telpher("keys", "--on", address).text.contains(fingerprint))
    #expect(mode(of: config + "/known_hosts") == 0o600)
    if access("/usr/bin/ssh-keygen", X_OK) == 0 {
      let shown = try await sandbox.shell("ssh-keygen -l -f \(config)/known_hosts")
      #expect(shown.text == "256 \(fingerprint) \(name) (ED25519)\n")
      // Hashed names are known too.
      #expect(try await sandbox.shell("ssh-keygen -H -f \(config)/known_hosts").status == 0)
      #expect(try await sandbox.telpher("ping", "--on", address).status == 0)
      #expect(try await sandbox.telpher("keys", "--on", address).text.hasPrefix(name))
    }
    await end(server)
  }

  @Test("that has changed is refused with both fingerprints and the line, until it is forgotten")
  func changed() async throws {
    let (first, _, old) = try await serve()
    await end(first)
    let (server, address, new) = try await serve(["--host-key-file", sandbox.folder + "/other"])
    #expect(old != new)
    // The first server's key under the second server's name.
    let (third, known, _) = try await serve()
    #expect(try await sandbox.telpher("ping", "--on", known, "--accept-new").status == 0)
    await end(third)
    let (from, to) = (known.split(separator: ":").last!, address.split(separator: ":").last!)
    let edited = try await sandbox.shell(
      "{ echo '# a comment'; sed 's/:\(from) /:\(to) /' \(config)/known_hosts; } >\(config)/new; mv \(config)/new \(config)/known_hosts"
    )
    #expect(edited.status == 0)
    for options in [[], ["--accept-new"], ["--host-key", new]] {
      let child = try sandbox.start(["run", "--on", address] + options + ["--", "echo", "hi"])
      let refused = await child.finish()
      #expect(refused.status == 125)
      #expect(refused.output.isEmpty)
      #expect(refused.errorText.contains("\(old) in line 2"))
      #expect(refused.errorText.contains(new))
    }
    let host = String(address.dropFirst("tls://".count))
    #expect(try await sandbox.telpher("keys", "forget", host).status == 0)
    #expect(try await sandbox.telpher("keys", "forget", host).status == 1)
    #expect(try await sandbox.telpher("ping", "--on", address, "--accept-new").status == 0)
    await end(server)
  }
}
