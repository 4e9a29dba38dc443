internal import TelpherCLI
internal import TelpherNIO
internal import TelpherSystem
internal import TelpherTransport

/// SwiftNIO and swift-subprocess under the program.
struct NIOBackend: Backend {
  func makeClientLoop(startsPrograms: Bool) throws -> any EventLoop {
    NIOLoop(launcher: startsPrograms ? try SubprocessLauncher() : nil)
  }

  func makeServerParts(loops count: Int, spawn: SpawnMethod?) throws -> ServerParts {
    if let spawn {
      throw TransportError(
        .system, "telpher-nio starts commands by swift-subprocess: there is no --spawn \(spawn)")
    }
    let launcher = try SubprocessLauncher(
      softDescriptorLimit: Launcher.raiseDescriptorLimit(), endsWithProcess: true)
    try Launcher.becomeSubreaper()
    let loops: [any EventLoop] = (0..<count).map { _ in NIOLoop(launcher: launcher) }
    return ServerParts(
      loops: loops, reapOrphans: { launcher.reapOrphans() }, shutDown: { launcher.shutDown() })
  }
}
