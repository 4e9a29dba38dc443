internal import Synchronization
internal import TelpherClient

/// The connections with TLS that this process has made. They are closed in order at its end, so that
/// the server can tell the end from a cut connection (close_notify: RFC 8446, 6.1).
enum TLSConnections {
  private static let opened = Mutex<[Connection]>([])

  /// Adds a connection that lasts until the process ends.
  static func add(_ connection: Connection) { opened.withLock { $0.append(connection) } }

  /// Closes all of them, and waits at most 2 seconds for the servers to do the same.
  static func close() async {
    let connections = opened.withLock { opened in
      defer { opened = [] }
      return opened
    }
    for connection in connections { await connection.close() }
  }
}
