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
  func makeServerLoop() throws -> any EventLoop {
    let softLimit = Launcher.raiseDescriptorLimit()
    switch self {
    case .uv:
      return try UVLoop(
        launcher: Launcher(softDescriptorLimit: softLimit, endsWithProcess: true))
    case .nio:
      return NIOLoop(
        launcher: try SubprocessLauncher(softDescriptorLimit: softLimit, endsWithProcess: true))
    }
  }
}
