public import TelpherTransport

/// The event loops that the program runs on, and what starts processes. An executable plugs one in;
/// nothing else of the program knows which.
public protocol Backend: Sendable {
  /// A loop for a client.
  ///
  /// - Parameter startsPrograms: whether `spawn` must work on it, which takes longer to set up.
  /// - Throws: `TransportError` where the system is out of what a loop needs.
  func makeClientLoop(startsPrograms: Bool) throws -> any EventLoop

  /// What a server runs on.
  ///
  /// - Parameters:
  ///   - loops: how many loops, at least one.
  ///   - spawn: what starts commands; nil for the backend's usual way.
  /// - Throws: `TransportError` where the system is out of what a loop needs, and where the backend
  ///   does not have this way.
  func makeServerParts(loops: Int, spawn: SpawnMethod?) throws -> ServerParts
}

/// What starts a server's commands.
public enum SpawnMethod: String, Sendable, CaseIterable {
  /// The way of the library that the event loop is made of, if it has one: by fork(2).
  case uv
  /// Telpher's own launcher, by clone3(2).
  case clone
}

/// What a server runs on.
public struct ServerParts: Sendable {
  /// The loops, which start processes.
  public var loops: [any EventLoop]
  /// Waits for orphans that were handed to this process; nil if it is handed none. To be called after
  /// a SIGCHLD, from any thread. It returns whether it is to be called again soon.
  public var reapOrphans: (@Sendable () -> Bool)?
  /// Ends what the loops share; called once they have ended.
  public var shutDown: @Sendable () -> Void

  /// The parts of a server.
  public init(
    loops: [any EventLoop], reapOrphans: (@Sendable () -> Bool)?,
    shutDown: @escaping @Sendable () -> Void
  ) {
    self.loops = loops
    self.reapOrphans = reapOrphans
    self.shutDown = shutDown
  }
}

/// The backend that this process was started with, for the commands, which the argument parser makes.
enum CurrentBackend {
  @TaskLocal static var value: (any Backend)?

  static func require() -> any Backend {
    guard let value else { preconditionFailure("commands run within `Program.main`") }
    return value
  }
}
