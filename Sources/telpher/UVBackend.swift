internal import TelpherCLI
internal import TelpherProcess
internal import TelpherTransport
internal import TelpherUV

/// The program's backend on libuv.
struct UVBackend: Backend {
  func makeClientLoop(startsPrograms: Bool) throws -> any EventLoop {
    // A client starts only ssh, which needs no control group.
    let launcher = startsPrograms ? try Launcher(scope: .descendants) : nil
    return try UVLoop(launcher: launcher)
  }

  func makeServerParts(loops count: Int, spawn: SpawnMethod?) throws -> ServerParts {
    let launcher = try Launcher(
      scope: spawn == .uv ? .descendants : .automatic,
      softDescriptorLimit: Launcher.raiseDescriptorLimit(), endsWithProcess: true)
    var reapOrphans: (@Sendable () -> Bool)?
    if launcher.killScope == .descendants { try Launcher.becomeSubreaper() }
    if launcher.killScope == .descendants || Launcher.isInit {
      reapOrphans = { launcher.reapOrphans() }
    }
    let method = spawn == .uv ? UVLoop.LaunchMethod.uvSpawn : .workerThreads
    let loops: [any EventLoop] = try (0..<count).map { _ in
      try UVLoop(launcher: launcher, launchMethod: method)
    }
    return ServerParts(
      loops: loops, reapOrphans: reapOrphans, sharesSockets: true, shutDown: { launcher.shutDown() }
    )
  }

  func enterGroups(of user: UInt32, _ group: UInt32) { DelegatedGroups.enter(for: user, group) }
}
