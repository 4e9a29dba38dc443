internal import ArgumentParser
internal import TelpherNIO
internal import TelpherSystem
internal import TelpherTransport
internal import TelpherUV

/// What Telpher runs on. Both ends of a measured connection run on the same.
enum Backend: String, CaseIterable, Sendable, ExpressibleByArgument {
  case uv
  case nio

  /// The program with this backend.
  var program: String { self == .uv ? "telpher" : "telpher-nio" }

  /// A loop that starts no processes.
  func makeClientLoop() throws -> any EventLoop {
    switch self {
    case .uv: try UVLoop()
    case .nio: NIOLoop()
    }
  }

  /// A loop that starts processes as the program does.
  ///
  /// - Parameter byUVSpawn: whether libuv's uv_spawn starts them; of `uv` only.
  func makeServerLoop(byUVSpawn: Bool) throws -> any EventLoop {
    let softLimit = Launcher.raiseDescriptorLimit()
    switch self {
    case .uv:
      let launcher = try Launcher(
        scope: byUVSpawn ? .descendants : .automatic, softDescriptorLimit: softLimit,
        endsWithProcess: true)
      return try UVLoop(launcher: launcher, launchSite: byUVSpawn ? .uvSpawn : .workerThreads)
    case .nio:
      return NIOLoop(
        launcher: try SubprocessLauncher(softDescriptorLimit: softLimit, endsWithProcess: true))
    }
  }
}
