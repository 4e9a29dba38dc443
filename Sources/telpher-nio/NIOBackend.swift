internal import TelpherCLI
internal import TelpherNIO
internal import TelpherProcess
internal import TelpherTransport

/// The program's backend on SwiftNIO and swift-subprocess.
struct NIOBackend: Backend {
  func makeClientLoop(startsPrograms: Bool) throws -> any EventLoop {
    NIOLoop(launcher: startsPrograms ? try SubprocessLauncher() : nil)
  }

  func makeServerParts(loops count: Int, spawn: SpawnMethod?) throws -> ServerParts {
    if let spawn {
      throw TransportError(
        .system, "telpher-nio always uses swift-subprocess; --spawn \(spawn) is not available")
    }
    let launcher = try SubprocessLauncher(
      softDescriptorLimit: Launcher.raiseDescriptorLimit(), endsWithProcess: true)
    try Launcher.becomeSubreaper()
    let loops: [any EventLoop] = (0..<count).map { _ in NIOLoop(launcher: launcher) }
    return ServerParts(
      loops: loops, reapOrphans: { launcher.reapOrphans() }, shutDown: { launcher.shutDown() })
  }
}
