internal import ArgumentParser
internal import TelpherProcess
internal import TelpherTransport

/// `telpher-bench echo`
struct EchoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "echo", abstract: "Echoes DATA frames: the server of the suite 'frames'.",
    shouldDisplay: false)

  @Option(help: "uv or nio.")
  var backend: Backend

  func run() async throws {
    _ = Launcher.raiseDescriptorLimit()
    let loop = try backend.makeClientLoop()
    let address = try await withCheckedThrowingContinuation {
      (done: CheckedContinuation<SocketAddress, any Error>) in
      loop.execute {
        let server = EchoServer(on: loop)
        done.resume(with: Result { try server.start() })
        // Keeps the server until a signal ends the process.
        _ = Unmanaged.passRetained(server)
      }
    }
    printLine("listening on \(address)")
    while true { try await Task.sleep(for: .seconds(3_600)) }
  }
}
