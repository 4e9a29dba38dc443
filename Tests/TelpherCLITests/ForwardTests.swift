import Glibc
import TelpherTestSupport
import TelpherTransport
import Testing

/// `telpher forward`
@Suite(.timeLimit(.minutes(10))) struct ForwardTests {
  let sandbox: Sandbox
  let loop: any EventLoop

  init() throws {
    sandbox = try Sandbox()
    loop = try SystemBackend.uv.makeLoop()
  }

  /// A service that sends back what arrives.
  private func echo() async throws -> PlainListener {
    try await .start(at: .tcp(host: "127.0.0.1", port: 0), on: loop, echoes: true)
  }

  /// Starts `forward --json` and waits until it listens.
  private func forward(_ arguments: String...) async throws -> (child: Child, at: SocketAddress) {
    let child = try sandbox.start(["forward", "--json"] + arguments)
    guard let line = await child.line(), line.contains(#""event":"listening""#),
      let found = line.firstRange(of: #""address":""#)
    else { throw Failed("it does not listen: \(await child.finish().errorText)") }
    let text = line[found.upperBound...].prefix { $0 != "\"" }
    return (child, try SocketAddress(parsing: String(text)))
  }

  private func passes(_ address: SocketAddress) async throws -> Bool {
    let program = try await PlainSocket.connect(to: address, on: loop)
    await program.send("hello")
    await program.finishWriting()
    try await program.ended()
    let (text, isInOrder) = (await program.text, await program.hasEndedInOrder)
    await program.close()
    return text == "hello" && isInOrder
  }

  @Test func connectionsPassUntilASignal() async throws {
    let (server, _) = try await sandbox.serve()
    let service = try await echo()
    let (forward, address) = try await forward("0", "\(service.address)")
    #expect(try await passes(address))
    #expect(try await passes(address))
    let open = try await PlainSocket.connect(to: address, on: loop)
    await open.send("x")
    try await open.until("the echo") { $0.text == "x" }
    forward.signal(SIGINT)
    let finished = await forward.finish()
    #expect(finished.status == 128 + SIGINT)
    #expect(finished.errorText == "")
    try await open.ended()
    #expect(await open.wasReset)
    await service.stop()
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func theServerCanAccept() async throws {
    let (server, _) = try await sandbox.serve()
    let service = try await echo()
    let socket = sandbox.folder + "/far.sock"
    let (forward, address) = try await forward("--reverse", "\(service.address)", "unix:\(socket)")
    #expect(address == .unix(path: socket))
    #expect(mode(of: socket) == 0o600)
    #expect(try await passes(address))
    forward.signal(SIGTERM)
    #expect(await forward.finish().status == 128 + SIGTERM)
    // The server removes the file when it notices that its client is gone.
    try await eventually("the socket's file is gone") { mode(of: socket) == nil }
    await service.stop()
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func aLocalSocketsFileIsRemoved() async throws {
    let (server, _) = try await sandbox.serve()
    let service = try await echo()
    let socket = sandbox.folder + "/near.sock"
    let (forward, address) = try await forward("unix:\(socket)", "\(service.address)")
    #expect(mode(of: socket) == 0o600)
    #expect(try await passes(address))
    forward.signal(SIGTERM)
    #expect(await forward.finish().status == 128 + SIGTERM)
    #expect(mode(of: socket) == nil)
    await service.stop()
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  /// Otherwise a program would take what has arrived for the whole.
  @Test(arguments: [true, false])
  func aKilledProgramResetsItsConnections(_ killsServer: Bool) async throws {
    let (server, _) = try await sandbox.serve()
    let service = try await PlainListener.start(
      at: .tcp(host: "127.0.0.1", port: 0), on: loop)
    let (forward, address) = try await forward("0", "\(service.address)")
    let program = try await PlainSocket.connect(to: address, on: loop)
    await program.send("part")
    let socket = await service.socket()
    try await socket.until("the part") { $0.text == "part" }
    await socket.send("part")
    try await program.until("the part") { $0.text == "part" }
    (killsServer ? server : forward).signal(SIGKILL)
    try await program.ended()
    try await socket.ended()
    #expect(await program.wasReset)
    #expect(await socket.wasReset)
    if killsServer {
      let finished = await forward.finish()
      #expect(finished.status == 125)
      #expect(finished.errorText.hasPrefix("telpher: "))
      #expect(finished.errorText.split(separator: "\n").count == 1)
    }
    await service.stop()
  }

  @Test func aReplacedServerHandsNewConnectionsToItsSuccessor() async throws {
    let (old, _) = try await sandbox.serve()
    let service = try await echo()
    let (forward, address) = try await forward("0", "\(service.address)")
    let open = try await PlainSocket.connect(to: address, on: loop)
    await open.send("x")
    try await open.until("the echo") { $0.text == "x" }
    let (second, _) = try await sandbox.serve("--replace")
    // The open connection goes on at the old server, which ends after it.
    await open.send("y")
    try await open.until("the echo") { $0.text == "xy" }
    await open.finishWriting()
    try await open.ended()
    #expect(await open.hasEndedInOrder)
    #expect(await old.wait() == 0)
    #expect(try await passes(address))
    let (third, _) = try await sandbox.serve("--replace")
    #expect(await second.wait() == 0)
    #expect(try await passes(address))
    forward.signal(SIGTERM)
    let finished = await forward.finish()
    #expect(finished.status == 128 + SIGTERM)
    #expect(finished.errorText == "")
    await service.stop()
    third.signal(SIGTERM)
    #expect(await third.finish().status == 0)
  }

  @Test func aRefusedConnectionIsPrinted() async throws {
    let (server, _) = try await sandbox.serve()
    let service = try await echo()
    await service.stop()
    let (forward, address) = try await forward("0", "\(service.address)")
    do {
      let program = try await PlainSocket.connect(to: address, on: loop)
      try await program.ended()
      #expect(await program.wasReset)
    } catch let error as TransportError {
      // The reset may come before the connect is reported.
      #expect(error.code == .broken)
    }
    let line = try #require(await forward.line())
    #expect(line.contains(#""event":"failed""#) && line.contains("onnection refused"))
    #expect(line.contains("\(service.address)") && line.contains(#""error":"unreachable""#))
    forward.signal(SIGTERM)
    _ = await forward.finish()
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func anAddressInUseIsAnError() async throws {
    let (server, _) = try await sandbox.serve()
    let service = try await echo()
    for arguments in [["\(service.address)", "1"], ["--reverse", "1", "\(service.address)"]] {
      let finished = await (try sandbox.start(["forward"] + arguments)).finish()
      #expect(finished.status == 125)
      #expect(finished.errorText.contains("\(service.address)"), "\(finished.errorText)")
      #expect(finished.errorText.contains("in use"))
    }
    await service.stop()
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test(arguments: [
    ["--no-forward"], ["--no-commands"], ["--read-only"], ["--root", "/"],
  ])
  func aConfinedServerForwardsNothing(_ options: [String]) async throws {
    let server = try sandbox.start(["serve"] + options)
    _ = await server.line()
    let socket = sandbox.folder + "/far.sock"
    let back = try await sandbox.telpher("forward", "--reverse", "1", "unix:\(socket)")
    #expect(back.status == 125)
    #expect(back.errorText.contains("--no-forward"))
    #expect(mode(of: socket) == nil)
    let service = try await PlainListener.start(at: .tcp(host: "127.0.0.1", port: 0), on: loop)
    let near = sandbox.folder + "/near.sock"
    let there = try await sandbox.telpher("forward", "unix:\(near)", "\(service.address)")
    #expect(there.status == 125)
    #expect(there.errorText.contains("--no-forward"))
    #expect(!there.errorText.contains("listening"))
    #expect(mode(of: near) == nil)
    #expect(await service.sockets.isEmpty)
    await service.stop()
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func aServerIsNeeded() async throws {
    let finished = try await sandbox.telpher("forward", "0", "1")
    #expect(finished.status == 125)
    #expect(finished.errorText.contains("no server answers"))
  }

  @Test(arguments: [
    (["x", "1"], "'x' is not an address"), (["0", "70000"], "'70000' is not an address"),
    (["0", "0"], "REMOTE needs a port"), (["--reverse", "0", "0"], "LOCAL needs a port"),
    (["unix:", "1"], "'unix:' is not an address"), (["1"], "Missing"),
  ])
  func aBadAddressIsExplained(_ arguments: [String], _ message: String) async throws {
    let finished = await (try sandbox.start(["forward"] + arguments)).finish()
    #expect(finished.status == 64)
    #expect(finished.errorText.contains(message), "\(finished.errorText)")
  }
}
