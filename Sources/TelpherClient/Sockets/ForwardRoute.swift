/// A connection to the server that carries a forwarding, or the rest of its sockets. Use it only on
/// the loop's thread.
final class ForwardRoute {
  let connection: Connection
  let session: ClientSession
  /// The number of open sockets.
  var sockets = 0

  init(_ connection: Connection, _ session: ClientSession) {
    (self.connection, self.session) = (connection, session)
  }

  /// Closes the connection, which nothing uses any more.
  func close() {
    Task(executorPreference: connection.loop) { [connection] in await connection.close() }
  }
}
