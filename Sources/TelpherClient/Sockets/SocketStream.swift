internal import TelpherTransport
internal import TelpherWire

/// Uses the streams of a connection for longer than one request, and wants to know what becomes of the
/// connection. Use it only on the loop's thread.
protocol SessionFollower: AnyObject {
  /// The server was replaced, and asks this client to connect again.
  func serverAsksToLeave()

  /// The server accepts no more streams. Those that are open go on.
  func endWhenIdle(_ error: ClientError)

  /// The connection has ended.
  func end(_ error: any Error)
}

/// The client's side of a stream that has to do with sockets. Use it only on the loop's thread.
protocol SocketStream: AnyObject {
  /// Handles DATA.
  func receive(_ chunk: Chunk, on channel: Channel)

  /// Handles the FIN of a channel.
  func receiveEnd(of channel: Channel)

  /// Handles the messages of a CONTROL.
  func receive(_ messages: [ControlMessage])

  /// Handles the server's CLOSE.
  func close(_ result: CloseResult)

  /// The stream has ended without a CLOSE.
  func fail(_ error: ClientError)
}
