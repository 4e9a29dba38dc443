internal import ArgumentParser
internal import Glibc
internal import TelpherServer
internal import TelpherTransport

/// `telpher-bench serve`
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Runs a server with a large heap, for the suite 'heap'.",
    shouldDisplay: false)

  @Option(help: "uv or nio.")
  var backend: Backend

  @Option(help: "With 'uv', uv_spawn starts the commands.")
  var spawn: String?

  @Option(help: "An address to listen on; may be repeated.")
  var listen: [String] = []

  @Option(help: "The file with the token for TCP.")
  var tokenFile: String

  @Option(help: "MiB of memory to touch before serving.")
  var heap = 0

  func run() async throws {
    let heap = UnsafeMutableRawPointer.allocate(byteCount: max(heap, 1) << 20, alignment: 4_096)
    heap.initializeMemory(as: UInt8.self, repeating: 1, count: self.heap << 20)
    var configuration = ServerConfiguration()
    let file = TokenFile(tokenFile)
    _ = try file.readOrMake()
    configuration.tokens = TokenSource(file)
    configuration.environment = [
      "PATH": SystemString(getenv("PATH").map { String(cString: $0) } ?? "/bin")
    ]
    let server = Server(
      loops: [try backend.makeServerLoop(byUVSpawn: spawn == "uv")], configuration: configuration)
    for address in listen {
      let address = try await server.listen(at: try SocketAddress(parsing: address))
      printLine("listening on \(address)")
    }
    // Runs until a signal ends the process.
    while true { try await Task.sleep(for: .seconds(3_600)) }
  }
}
