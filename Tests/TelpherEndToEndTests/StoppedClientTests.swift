import Glibc
import TelpherAccess
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// A client that is stopped, as by Ctrl-Z, is slow and not lost: its system still acknowledges what
/// it is sent.
@Suite(.timeLimit(.minutes(5))) struct StoppedClientTests {
  /// The silence after which a peer whose system acknowledges nothing is lost: 0.3 s.
  private static let lostAfter: UInt64 = 300_000_000
  /// How long the client stays stopped: several times as long.
  private static let stop: UInt32 = 2_000_000

  /// Runs `script` through a client that is stopped after its first line of output. Returns the
  /// client's exit status and the rest of its output.
  private static func run(_ script: String) async throws -> (
    exit: ProcessExit.Status, output: [String]
  ) {
    let token = "/tmp/telpher-token-\(UInt64.random(in: 0 ... .max))"
    defer { unlink(token) }
    let file = TokenFile(token)
    _ = try file.readOrMake()
    return try await Fixture.with(
      .uv,
      configure: {
        $0.tokens = TokenSource(file)
        $0.link.pingAfter = lostAfter / 6
        $0.link.lostAfter = lostAfter
      }
    ) { fixture in
      let address = try await fixture.server.listen(at: .tcp(host: "127.0.0.1", port: 0))
      let client = try LocalProgram([
        SystemBackend.uv.program, "run", "--on", "\(address)", "--token-file", token, "--", "sh",
        "-c", script,
      ])
      #expect(try await client.line() == "ready")
      client.signal(SIGSTOP)
      usleep(stop)
      client.signal(SIGCONT)
      return try await client.end()
    }
  }

  @Test func aStoppedClientKeepsItsCommand() async throws {
    let (exit, output) = try await Self.run("echo ready; sleep 3; echo done; exit 7")
    #expect(exit == .exited(code: 7))
    #expect(output == ["done"])
  }

  /// The command writes more than the client has granted.
  @Test func aStoppedClientGetsAllOutputThatWaited() async throws {
    let lines = 300_000
    let (exit, output) = try await Self.run("echo ready; seq \(lines); exit 7")
    #expect(exit == .exited(code: 7))
    #expect(output.count == lines)
    #expect(output.last == "\(lines)")
  }
}
