internal import Synchronization

/// The context for the new connections of a listener. It may be replaced at any time, for example
/// with other authorities; open connections keep theirs. Any thread may use it.
package final class TLSDoor: Sendable {
  private let current: Mutex<TLSContext>

  /// A door with its first context, which is a server's.
  package init(_ context: TLSContext) {
    precondition(context.role == .server, "a listener is a server")
    current = Mutex(context)
  }

  /// The context for a connection that begins now.
  package var context: TLSContext { current.withLock { $0 } }

  /// Replaces the context for later connections.
  package func replaceContext(by context: TLSContext) {
    precondition(context.role == .server, "a listener is a server")
    current.withLock { $0 = context }
  }
}
