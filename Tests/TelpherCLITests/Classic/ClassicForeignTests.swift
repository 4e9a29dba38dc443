import Glibc
import Testing

/// Clients of other protocols. A web page can send requests to any port of this machine.
@Suite(.enabled(if: ClassicStage.hasPython))
struct ClassicForeignTests {
  let stage: ClassicStage
  let file: String

  init() throws {
    stage = try ClassicStage()
    file = stage.sandbox.folder + "/made"
  }

  /// The servers that run commands, with their options.
  static let servers: [(dialect: String, options: [String])] = [
    ("raw", []), ("raw", ["--line"]), ("size", []), ("length", []), ("header", []),
  ]

  /// Requests in pieces. FILE stands for a file that a shell would create.
  static let requests: [[String]] = [
    ["GET /;touch$IFS'FILE'; HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"],
    ["G", "E", "T", " /;touch$IFS'FILE'; HTTP/1.1\\r\\n\\r\\n"],
    ["GET", " ", "/;touch$IFS'FILE'; HTTP/1.1\\r\\n\\r\\n"],
    ["\\r\\n", "\\r\\n", "GET /;touch$IFS'FILE'; HTTP/1.1\\r\\n\\r\\n"],
    ["POST / HTTP/1.1\\r\\nContent-Type: text/plain\\r\\n\\r\\n", "touch 'FILE'\\r\\n"],
    ["POST / HTTP/1.1\\r\\nContent-Type: text/plain\\r\\n\\r\\ntouch 'FILE'\\r\\n"],
    ["OPTIONS /;touch$IFS'FILE'; HTTP/1.1\\r\\n\\r\\n"],
    ["PROPFIND /;touch$IFS'FILE'; HTTP/1.1\\r\\n\\r\\n"],
    ["ANYTHING /;touch$IFS'FILE'; HTTP/1.1\\r\\n\\r\\n"],
    ["any /;touch$IFS'FILE'; HTTP/1.1\\r\\n\\r\\n"],
    ["PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n", "touch 'FILE'\\r\\n"],
    ["\\x16\\x03\\x01\\x02\\x00\\x01", "\\ntouch 'FILE'\\n"], ["\\x16", "\\ntouch 'FILE'\\n"],
    ["\\x00\\x01\\x00\\x00!\\x12\\xa4B", "\\ntouch 'FILE'\\n"],
  ]

  @Test(arguments: servers)
  func requestsAreNotRunAndTheirConnectionsAreClosed(
    _ server: (dialect: String, options: [String])
  ) async throws {
    let running = try await stage.serve(server.dialect, at: "tcp:127.0.0.1:0", server.options)
    for request in Self.requests {
      let pieces = request.map { $0.replacing("FILE", with: file) }
      let client = try await stage.client("foreign", [running.port] + pieces)
      #expect(client.text == "ended\n", "\(request): \(client.text)")
      #expect(access(file, F_OK) != 0, "\(request)")
    }
    // Other clients are still served.
    if server.options.isEmpty {
      let answer = try await stage.run(server.dialect, on: running, "echo", "hello")
      #expect(answer.text == "hello\n")
    }
    let log = await running.end().errorText
    #expect(log.ranges(of: "the connection is closed").count == Self.requests.count)
    #expect(log.contains("speaks HTTP") && log.contains("speaks TLS"))
  }

  @Test func anUploadServerClosesConnectionsOfOtherProtocols() async throws {
    let root = stage.sandbox.folder + "/root"
    mkdir(root, 0o755)
    let running = try await stage.serve("upload", at: "tcp:127.0.0.1:0", "--root", root)
    for request in Self.requests {
      let client = try await stage.client("foreign", [running.port] + request)
      #expect(client.text == "ended\n", "\(request): \(client.text)")
    }
    let log = await running.end().errorText
    #expect(log.contains("speaks HTTP") && log.contains("speaks TLS"))
    #expect(log.ranges(of: "the connection is closed").count == Self.requests.count)
  }

  @Test func aDatagramOfAnotherProtocolIsDropped() async throws {
    let running = try await stage.serve("raw", at: "udp:127.0.0.1:0")
    let client = try stage.python(
      "raw", ["udp-client", running.port, "GET /;touch$IFS'\(file)'; HTTP/1.1\r\n"])
    let answer = try await stage.run("raw", on: running, "echo", "hello")
    #expect(answer.text == "hello\n")
    client.signal(SIGKILL)
    #expect(access(file, F_OK) != 0)
    #expect(await running.end().errorText.contains("a datagram is dropped"))
  }

  @Test func wordsInUpperCaseAreStillCommands() async throws {
    let running = try await stage.serve("raw")
    let answers = try await stage.client("raw", "naive", running.port, "A", "B=1 env | grep ^B")
    #expect(answers.text.contains("not found"))
    #expect(answers.text.hasSuffix("B=1\n\n----\n"))
  }
}
