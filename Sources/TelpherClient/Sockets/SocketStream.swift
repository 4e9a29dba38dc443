internal import TelpherTransport
internal import TelpherWire

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
