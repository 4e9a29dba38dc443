internal import ArgumentParser
internal import TelpherNIO
internal import TelpherProcess
internal import TelpherTransport
internal import TelpherUV

/// The backend that Telpher runs on. Both ends of a measured connection use the same one.
enum Backend: String, CaseIterable, Sendable, ExpressibleByArgument {
  case uv
  case nio

  /// The name of the program with this backend.
  var program: String { self == .uv ? "telpher" : "telpher-nio" }

  /// Makes a loop that cannot start processes.
  func makeClientLoop() throws -> any EventLoop {
    switch self {
    case .uv: try UVLoop()
    case .nio: NIOLoop()
    }
  }

  /// Calls `body` on the thread of a new loop that cannot start processes.
  func withClientLoop<Value: Sendable>(
    _ body: @escaping @Sendable (any EventLoop) async throws -> Value
  ) async throws -> Value {
    let loop = try makeClientLoop()
    let result = await withTaskGroup(of: Result<Value, any Error>.self) { group in
      group.addTask(executorPreference: loop) {
        do { return .success(try await body(loop)) } catch { return .failure(error) }
      }
      guard let result = await group.next() else { preconditionFailure("a task was added") }
      return result
    }
    await loop.shutDown()
    return try result.get()
  }

  /// Makes a loop that starts processes in the same way as the program.
  ///
  /// - Parameter byUVSpawn: whether libuv's uv_spawn starts them; only for `uv`.
  func makeServerLoop(byUVSpawn: Bool) throws -> any EventLoop {
    let softLimit = Launcher.raiseDescriptorLimit()
    switch self {
    case .uv:
      let launcher = try Launcher(
        scope: byUVSpawn ? .descendants : .automatic, softDescriptorLimit: softLimit,
        endsWithProcess: true)
      return try UVLoop(launcher: launcher, launchMethod: byUVSpawn ? .uvSpawn : .workerThreads)
    case .nio:
      return NIOLoop(
        launcher: try SubprocessLauncher(softDescriptorLimit: softLimit, endsWithProcess: true))
    }
  }
}
