package import TelpherAccess
package import TelpherPolicy
package import TelpherTransport

/// A process to which a server passes streams on over a Unix socket.
package protocol StreamHost: Sendable {
  /// Where it listens: a Unix socket that only this user can reach.
  var address: SocketAddress { get }
  /// The user whom it runs as. A process that was started as root and becomes this user may still be
  /// root's when the server connects.
  var owner: UInt32 { get }
  /// What it is, for messages.
  var name: String { get }

  /// Makes sure that the process listens there. Blocks for as long as a start takes; any thread but
  /// a loop's may call it.
  ///
  /// - Returns: why it can't be started; nil if it listens.
  func start() -> String?
}

/// What a process that acts as another user is for. Each client has processes of its own, so no client
/// reaches the commands of another one there. The client's commands as one user are in one process,
/// whatever rules allow them: there they are counted, listed and ended.
package struct AccountUse: Sendable, Hashable {
  /// The client.
  package let client: Identity
  /// The user.
  package let account: Account
  /// The folders whose files it serves; empty for a process that serves none.
  package let folders: [PolicyPath]
}

/// The processes that act as other users.
package protocol AccountHosts: Sendable {
  /// The process for `use`.
  func host(for use: AccountUse) -> any StreamHost
}
