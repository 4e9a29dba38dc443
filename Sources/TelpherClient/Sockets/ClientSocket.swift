internal import TelpherForward
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A socket of this machine whose bytes a stream carries to and from a socket at the server. Use it
/// only on the loop's thread.
final class ClientSocket: SocketStream {
  /// The bytes of each direction: to the server, and from it.
  static let channels = (outgoing: Channel.stdin, incoming: Channel.stdout)

  let stream: StreamID
  private let link: Link
  private var pump: SocketPump!
  /// Called once at the end, with an error if the server or the connection has failed.
  private var didEnd: ((ClientSocket, ClientError?) -> Void)?
  /// Whether both directions have ended in order here.
  private var isFinished = false
  /// Whether the server has confirmed that they have ended in order there.
  private var isConfirmed = false

  init(
    link: Link, stream: StreamID, didEnd: @escaping (ClientSocket, ClientError?) -> Void
  ) {
    self.link = link
    self.stream = stream
    self.didEnd = didEnd
    pump = SocketPump(
      link: link, stream: stream, sends: Self.channels.outgoing, receives: Self.channels.incoming
    ) { [unowned self] end in
      pumpDidEnd(end)
    }
  }

  /// Begins to move the bytes of `socket`.
  func attach(_ socket: any ByteStream) { pump.attach(socket) }

  /// Gives the socket up, at both ends.
  func reset(_ code: ErrorCode, reason: String) {
    guard didEnd != nil else { return }
    link.reset(stream, code, reason: reason)
    end(nil)
  }

  // MARK: From the server

  func receive(_ chunk: Chunk, on channel: Channel) { pump.receive(chunk, on: channel) }

  func receiveEnd(of channel: Channel) { pump.receiveEnd(of: channel) }

  func receive(_ messages: [ControlMessage]) {}

  /// The server may report success only if both ends were exchanged and no byte is missing.
  func close(_ result: CloseResult) {
    guard result.result == .ok else { return end(ClientError(socket: result)) }
    let (sent, received) = (pump.sentBytes, pump.receivedBytes)
    guard pump.hasExchangedEnds, result.bytes?["\(Self.channels.outgoing.rawValue)"] == sent,
      result.bytes?["\(Self.channels.incoming.rawValue)"] == received
    else {
      return end(
        ClientError(
          .lost,
          "bytes of a forwarded connection are missing: \(sent) were sent and \(received) arrived, but the server counted \(result.bytes ?? [:])"
        ))
    }
    isConfirmed = true
    settle()
  }

  func fail(_ error: ClientError) { end(error) }

  // MARK: The end

  private func pumpDidEnd(_ end: SocketPump.End) {
    switch end {
    case .finished:
      isFinished = true
      settle()
    case .broken(let error): reset(.socketBroken, reason: error.message)
    }
  }

  private func settle() {
    guard isFinished, isConfirmed else { return }
    pump.close()
    end(nil)
  }

  private func end(_ error: ClientError?) {
    guard let didEnd else { return }
    self.didEnd = nil
    if !(isFinished && isConfirmed) { pump.reset() }
    didEnd(self, error)
  }
}

extension ClientError {
  /// The error for a socket that the server did not open.
  init(socket result: CloseResult) {
    self.init(
      result.result == .failed ? .unreachable : .refused,
      result.message ?? "the server sent the result '\(result.result)'")
  }
}
