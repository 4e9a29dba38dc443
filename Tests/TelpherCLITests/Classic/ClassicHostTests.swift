import Glibc
import Testing

/// The program `telpher classic serve`: its confirmation, addresses, sockets and end.
struct ClassicHostTests {
  let stage: ClassicStage
  init() throws { stage = try ClassicStage() }

  @Test(arguments: ["raw", "size", "length", "header"])
  func aServerThatRunsCommandsNeedsConfirmation(_ dialect: String) async throws {
    let refused = try await stage.sandbox.telpher(
      "classic", "serve", dialect, "--listen", "tcp:127.0.0.1:0")
    #expect(refused.status == 125)
    #expect(refused.errorText.contains("anyone on this machine can run commands"))
    #expect(refused.errorText.contains("--i-know"))
    #expect(refused.output.isEmpty)
    let server = try await stage.serve(dialect)
    let ended = await server.end()
    #expect(ended.status == 0)
    #expect(ended.errorText.contains("anyone on this machine can run commands"))
  }

  @Test(arguments: [
    ["--root", "/"], ["--overwrite"], ["--text", "x"], ["--pause", "1s"], ["--line"],
  ])
  func aChatRefusesOptionsOfOtherDialects(_ option: [String]) async throws {
    let arguments = ["classic", "serve", "chat", "--listen", "udp:127.0.0.1:0"] + option
    let refused = await (try stage.sandbox.start(arguments)).finish()
    #expect(refused.status != 0)
    #expect(refused.errorText.contains("'chat' has no use for \(option[0])"))
    #expect(refused.output.isEmpty)
  }

  @Test func anUploadServerNeedsConfirmation() async throws {
    let root = stage.sandbox.folder + "/root"
    mkdir(root, 0o755)
    for address in ["tcp:127.0.0.1:0", "unix:\(stage.sandbox.folder)/socket"] {
      let refused = try await stage.sandbox.telpher(
        "classic", "serve", "upload", "--root", root, "--listen", address)
      #expect(refused.status == 125)
      #expect(refused.errorText.contains("can store files in \(root) as you"))
      #expect(refused.errorText.contains("--i-know"))
      #expect(refused.output.isEmpty)
    }
  }

  @Test(arguments: [
    "tcp:0.0.0.0:0", "tcp:[::]:0", "tcp:10.0.0.1:0", "udp:0.0.0.0:0", "udp:192.168.0.1:7",
  ])
  func addressesThatOtherMachinesReachAreRefused(_ address: String) async throws {
    let refused = try await stage.sandbox.telpher(
      "classic", "serve", "upper", "--listen", address)
    #expect(refused.status == 125)
    #expect(refused.errorText.contains("\(address) is refused"))
    #expect(refused.errorText.contains("authentication"))
  }

  @Test(arguments: [
    ("size", "udp:127.0.0.1:0"), ("time", "tcp:127.0.0.1:0"), ("chat", "unix:/tmp/x"),
    ("length", "udp:127.0.0.1:0"),
  ])
  func aDialectRefusesOtherTransports(_ dialect: String, _ address: String) async throws {
    let refused = try await stage.sandbox.telpher(
      "classic", "serve", dialect, "--listen", address, "--i-know")
    #expect(refused.status == 125)
    #expect(refused.errorText.contains(address))
  }

  @Test func anUnknownDialectIsRefusedWithAListOfDialects() async throws {
    let refused = try await stage.sandbox.telpher(
      "classic", "serve", "lower", "--listen", "tcp:127.0.0.1:0")
    #expect(refused.status != 0)
    #expect(refused.errorText.contains("upper, raw, size, length, header, upload, time, chat"))
  }

  @Test func aUnixSocketIsServedAndRemoved() async throws {
    let path = stage.sandbox.folder + "/classic.sock"
    let server = try await stage.serve("length", at: "unix:\(path)")
    #expect(server.address == "unix:\(path)")
    #expect(mode(of: path) == 0o600)
    #expect(try await stage.run("length", on: server, "echo", "hello").text == "hello\n")
    #expect(await server.end().status == 0)
    #expect(mode(of: path) == nil)
  }

  @Test func aRestartedServerCanBindAtOnce() async throws {
    var address = "tcp:127.0.0.1:0"
    for _ in 1...3 {
      let server = try await stage.serve("length", at: address)
      address = server.address
      #expect(try await stage.run("length", on: server, "echo", "hello").text == "hello\n")
      // The server closes this connection first, which leaves the port in TIME_WAIT.
      let idle = try stage.sandbox.start(
        ["classic", "run", "length", "--on", address], input: .pipe)
      await idle.write("echo hello\n")
      #expect(await idle.line() == "hello")
      #expect(await server.end().status == 0)
    }
  }

  @Test func endingTheServerEndsItsCommands() async throws {
    let server = try await stage.serve("raw")
    let file = stage.sandbox.folder + "/pid"
    let client = try stage.sandbox.start(
      [
        "classic", "run", "raw", "--on", server.address,
        "trap '' TERM; echo $$ > \(file).new; mv \(file).new \(file); while :; do sleep 1; done",
      ])
    let pid = try #require(Int32(try await waitForFile(file)))
    #expect(await server.end().status == 0)
    #expect(try await isGone(pid))
    #expect(await client.finish().status == 125)
  }
}
