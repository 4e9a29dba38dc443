import Glibc
import Testing

/// `telpher serve --relay`: a server that passes its clients on to another.
struct BastionTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test(arguments: ["unix", "tcp"])
  func clientsReachTheServerOfTheBastion(_ kind: String) async throws {
    let (target, servers) = try await sandbox.serve("--listen", "unix:\(sandbox.folder)/target")
    let server = try #require(servers.first)
    let (bastion, addresses) = try await sandbox.serve(
      "--relay", server, "--listen",
      kind == "unix" ? "unix:\(sandbox.folder)/bastion" : "tcp:127.0.0.1:0")
    let address = try #require(addresses.first)
    let result = try await sandbox.telpher(
      "run", "--on", address, "--", "sh", "-c", "echo $PPID; exit 3")
    #expect(result.status == 3)
    #expect(result.text == "\(target.pid)\n")
    // Its server has one connection, that of the bastion.
    #expect(try await sandbox.telpher("info", "--on", address).text.contains("connections: 1\n"))
    bastion.signal(SIGTERM)
    #expect(await bastion.finish().status == 0)
    target.signal(SIGTERM)
    #expect(await target.finish().status == 0)
  }

  @Test func aServerWithTLSIsReachedIfItsKeyIsKnown() async throws {
    let (target, servers) = try await sandbox.serve("--listen", "tls:127.0.0.1:0")
    let server = "tls://" + (try #require(servers.first)).dropFirst("tls:".count)
    let serve = ["serve", "--listen", "unix:\(sandbox.folder)/bastion", "--relay", server]
    let refused = await (try sandbox.start(serve)).finish()
    #expect(refused.status == 125)
    #expect(refused.errorText.contains("is not known here"))
    #expect(try await sandbox.telpher("ping", "--on", server, "--accept-new").status == 0)
    let bastion = try sandbox.start(serve)
    #expect(await bastion.line() == "listening on unix:\(sandbox.folder)/bastion")
    let result = try await sandbox.telpher(
      "run", "--on", "unix:\(sandbox.folder)/bastion", "--", "sh", "-c", "echo $PPID; exit 3")
    #expect(result.status == 3)
    #expect(result.text == "\(target.pid)\n")
    bastion.signal(SIGTERM)
    #expect(await bastion.finish().status == 0)
    target.signal(SIGTERM)
    #expect(await target.finish().status == 0)
  }

  @Test(arguments: [
    (["--listen", "tls:127.0.0.1:0"], "can't listen with TLS"),
    (["--audit", "audit"], "cannot be combined with --audit"),
  ])
  func optionsForTheServerBehindABastionAreRefused(_ options: [String], _ reason: String)
    async throws
  {
    let child = try sandbox.start(["serve", "--relay", "unix:\(sandbox.folder)/target"] + options)
    let result = await child.finish()
    #expect(result.status != 0)
    #expect(result.errorText.contains(reason))
  }

  @Test func aClientOnTCPNeedsTheToken() async throws {
    let (target, servers) = try await sandbox.serve("--listen", "unix:\(sandbox.folder)/target")
    let (bastion, addresses) = try await sandbox.serve(
      "--relay", try #require(servers.first), "--listen", "tcp:127.0.0.1:0")
    let wrong = sandbox.folder + "/wrong"
    sandbox.write(String(repeating: "0", count: 64) + "\n", to: wrong)
    let result = try await sandbox.telpher(
      "run", "--on", try #require(addresses.first), "--token-file", wrong, "--", "true")
    #expect(result.status == 125)
    #expect(result.errorText.contains("the token is not this server's"))
    bastion.signal(SIGTERM)
    #expect(await bastion.finish().status == 0)
    target.signal(SIGTERM)
    #expect(await target.finish().status == 0)
  }

  /// ssh starts the bastion, which in turn reaches the server by ssh.
  @Test func aBastionServesStandardInputAndOutput() async throws {
    sandbox.addSSH()
    let result = try await sandbox.telpher(
      "run", "--on", "exec:\(Sandbox.program) serve --listen stdio --relay ssh://inner", "--", "sh",
      "-c", "echo x; exit 4")
    #expect(result.status == 4)
    #expect(result.text == "x\n")
    #expect(try await sandbox.logins == 1)
  }

  @Test func aBastionEndsWithTheConnectionToItsServer() async throws {
    let (target, servers) = try await sandbox.serve("--listen", "unix:\(sandbox.folder)/target")
    let (bastion, addresses) = try await sandbox.serve(
      "--relay", try #require(servers.first), "--listen", "unix:\(sandbox.folder)/bastion")
    let client = try sandbox.start(
      ["run", "--on", try #require(addresses.first), "-i", "--", "cat"], input: .pipe)
    await client.write("x\n")
    #expect(await client.line() == "x")
    target.signal(SIGKILL)
    #expect(await client.finish().status == 125)
    let end = await bastion.finish()
    #expect(end.status == 125)
    #expect(end.errorText.contains("is lost"))
    _ = await target.finish()
  }

  @Test func aServerThatDoesNotAnswerIsReportedAtTheStart() async throws {
    let result = try await sandbox.telpher("serve", "--relay", "unix:\(sandbox.folder)/nowhere")
    #expect(result.status == 125)
    #expect(result.errorText.contains("nowhere"))
    let mixed = try await sandbox.telpher("serve", "--relay", "ssh://x", "--read-only")
    #expect(mixed.status != 0)
    #expect(mixed.errorText.contains("--relay cannot be combined"))
  }
}
