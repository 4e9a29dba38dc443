import Glibc
import TelpherAccess
import TelpherClient
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// Runs the complete Python client at the end of docs/PROTOCOL.md.
@Suite struct ProtocolPageTests {
  @Test(arguments: SystemBackend.all, [false, true])
  func theClientOnThePageRunsACommand(_ backend: SystemBackend, overTCP: Bool) async throws {
    try await Self.withClient(backend, overTCP: overTCP) { run in
      let result = try await run(["sh", "-c", "echo out; echo err >&2; exit 7"], nil)
      #expect(result.output == Array("out\n".utf8))
      #expect(result.error == Array("err\n".utf8))
      #expect(result.result.status == .exited(7))
    }
  }

  @Test(arguments: SystemBackend.all)
  func theClientOnThePagePassesOnInputAndLargeOutput(_ backend: SystemBackend) async throws {
    try await Self.withClient(backend) { run in
      let input = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let result = try await run(["cat"], input)
      // Compare outside of the macro, which would compute the differences of megabytes.
      let isSame = result.output == input
      #expect(isSame, "\(result.output.count) bytes of \(input.count), \(result.result)")
      #expect(result.result.isSuccess)
    }
  }

  @Test(arguments: SystemBackend.all)
  func theClientOnThePageReportsSignalsAndMissingPrograms(_ backend: SystemBackend) async throws {
    try await Self.withClient(backend) { run in
      for (command, code) in [
        (["sh", "-c", "kill -9 $$"], 137), (["no-such-program"], 127), (["/"], Int32(126)),
      ] {
        let result = try await run(command, nil)
        #expect(result.result.status == .exited(code))
      }
    }
  }

  @Test(arguments: SystemBackend.all)
  func theClientOnThePageSendsNothingToAServerWithAnotherToken(_ backend: SystemBackend)
    async throws
  {
    try await Self.withClient(backend, overTCP: true, token: .random()) { run in
      let result = try await run(["echo", "out"], nil)
      #expect(result.result.status == .exited(125))
      #expect(result.output.isEmpty)
      #expect(String(decoding: result.error, as: UTF8.self).contains("not your server"))
    }
  }

  @Test(arguments: SystemBackend.all)
  func theClientOnThePageHasAtMostEightyLines(_ backend: SystemBackend) throws {
    let lines = try Self.program().split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count - 1 <= 80)
  }

  /// Calls `body` with a function that runs the page's client as a command of the server that it
  /// connects to.
  ///
  /// - Parameter token: the server's token on TCP, if it is not the client's.
  private static func withClient(
    _ backend: SystemBackend, overTCP: Bool = false, token: Token? = nil,
    _ body: (([String], [UInt8]?) async throws -> CollectedResult) async throws -> Void
  ) async throws {
    let file = "/tmp/telpher-page-\(UInt64.random(in: 0 ... .max)).py"
    let text = Array(try program().utf8)
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    try #require(descriptor >= 0)
    #expect(write(descriptor, text, text.count) == text.count)
    close(descriptor)
    defer { unlink(file) }
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    let secret = TokenFile(file + ".token")
    defer { unlink(secret.file.path) }
    let known = try secret.readOrMake()
    try await Fixture.with(
      backend,
      configure: {
        $0.environment["PATH"] = SystemString(path)
        $0.tokens = TokenSource(token ?? known)
      }
    ) { fixture in
      var options: [String] = []
      switch overTCP ? try await fixture.server.listen(at: tcp) : fixture.address {
      case .unix(let path): options = [path]
      case .tcp(let host, let port):
        options = ["--token-file", secret.file.path, "\(host):\(port)"]
      }
      let connection = try await fixture.connect()
      try await body { [options] command, input in
        try await connection.run(
          Command(arguments: ["python3", file] + options + command), input: input)
      }
      await connection.close()
    }
  }

  private static let tcp = SocketAddress.tcp(host: "127.0.0.1", port: 0)

  /// The last block of Python on the page.
  private static func program() throws -> Substring {
    let page = try #require(readText(repository + "/docs/PROTOCOL.md"))
    let block = try #require(page.ranges(of: "```python\n").last)
    let rest = page[block.upperBound...]
    let end = try #require(rest.firstRange(of: "```"))
    return rest[..<end.lowerBound]
  }

  private static var repository: String {
    String(#filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" })
  }
}

/// The contents of a text file; nil if it can't be read.
private func readText(_ path: String) -> String? {
  guard let file = fopen(path, "re") else { return nil }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
    bytes += buffer.prefix(count)
  }
  return String(validating: bytes, as: UTF8.self)
}
