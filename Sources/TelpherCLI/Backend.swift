package import TelpherTransport

/// Makes the event loops that the program runs on. Each executable passes its own backend to
/// `Program.main(backend:)`.
package protocol Backend: Sendable {
  /// Makes an event loop for a client.
  ///
  /// - Parameter startsPrograms: whether the loop must be able to start processes; it then takes
  ///   longer to set up.
  /// - Throws: `TransportError` if the system has no resources left for a loop.
  func makeClientLoop(startsPrograms: Bool) throws -> any EventLoop

  /// Makes the event loops of a server.
  ///
  /// - Parameters:
  ///   - loops: the number of loops, at least one.
  ///   - spawn: how commands are started; nil for the backend's default.
  /// - Throws: `TransportError` if the system has no resources left for a loop, or if the backend
  ///   does not support `spawn`.
  func makeServerParts(loops: Int, spawn: SpawnMethod?) throws -> ServerParts

  /// Moves this process, which is root's, into control groups that belong to another user, so that it can
  /// limit commands after it has become this user. What the system does not allow is left out.
  func enterGroups(of user: UInt32, _ group: UInt32)
}

extension Backend {
  /// Does nothing: commands then have only the limits of single processes.
  package func enterGroups(of user: UInt32, _ group: UInt32) {}
}

/// The ways to start a server's commands.
package enum SpawnMethod: String, Sendable, CaseIterable {
  /// By the library's own function, which uses fork(2) (docs/decisions.md).
  case uv
  /// By Telpher's own launcher, which uses clone3(2).
  case clone
}

/// The event loops of a server, and the functions that belong to them.
package struct ServerParts: Sendable {
  /// The loops, all of which can start processes.
  package var loops: [any EventLoop]
  /// Reaps orphans that this process inherited; nil if it inherits none. Called from any thread
  /// after a SIGCHLD. Returns whether it must be called again soon.
  package var reapOrphans: (@Sendable () -> Bool)?
  /// Whether the loops can serve a `ListeningSocket` that another process serves too.
  package var sharesSockets: Bool
  /// Shuts down what the loops share.
  package var shutDown: @Sendable () -> Void

  /// Makes the parts of a server.
  package init(
    loops: [any EventLoop], reapOrphans: (@Sendable () -> Bool)?, sharesSockets: Bool = false,
    shutDown: @escaping @Sendable () -> Void
  ) {
    self.loops = loops
    self.reapOrphans = reapOrphans
    self.sharesSockets = sharesSockets
    self.shutDown = shutDown
  }
}

/// The backend of this process. It is task-local because the argument parser makes the commands.
enum CurrentBackend {
  @TaskLocal static var value: (any Backend)?

  static func require() -> any Backend {
    guard let value else { preconditionFailure("commands run within `Program.main`") }
    return value
  }
}
