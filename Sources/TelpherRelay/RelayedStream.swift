internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// One stream of a client and the stream to the server that belongs to it.
///
/// CONTROL is passed on at once. The server's end of the stream (CLOSE or RESET) is passed on after
/// all bytes that came before it.
final class RelayedStream {
  /// How the server has ended its stream.
  enum Ending {
    /// With this CLOSE.
    case close([UInt8])
    /// With a RESET, or because its connection is lost.
    case reset(ErrorCode, String)
  }

  private enum State {
    /// Both streams are open. Next: `draining`, `over`.
    case open
    /// The server has ended its stream; bytes for the client still wait. Next: `over`.
    case draining(Ending)
    /// The client's stream has ended. Final.
    case over
  }

  /// The client's stream.
  let near: StreamID
  /// The stream to the server.
  let far: StreamID
  let client: RelayClient
  private let server: Link
  private var state = State.open
  /// The channels to the server, and those to the client.
  private var up: [Channel: ChannelPasser] = [:]
  private var down: [Channel: ChannelPasser] = [:]

  init(_ near: StreamID, of client: RelayClient, _ far: StreamID, to server: Link) {
    self.near = near
    self.far = far
    self.client = client
    self.server = server
  }

  // MARK: From the client

  func receiveFromClient(_ chunk: Chunk, _ channel: Channel) {
    guard let passer = upward(channel) else {
      return client.link.consume(near, channel, chunk.count)
    }
    passer.receive(chunk)
  }

  func finishFromClient(_ channel: Channel) { upward(channel)?.finish() }

  /// The passer of a channel to the server; nil if the server has ended its stream before the
  /// channel was used.
  private func upward(_ channel: Channel) -> ChannelPasser? {
    if let passer = up[channel] { return passer }
    guard case .open = state else { return nil }
    let passer = ChannelPasser(
      from: client.link, near, channel, to: server.outbound(far, channel), isInput: true,
      didDrain: {})
    up[channel] = passer
    // The window of standard input was opened with the stream.
    if channel != .stdin { client.link.openInput(near, channel) }
    return passer
  }

  /// For all channels to the server: how far the credit that is left is below the first window of
  /// `window` bytes. So many bytes were sent and, as far as this side knows, not taken.
  func untakenInput(of window: UInt64) -> UInt64 {
    up.keys.reduce(0) { sum, channel in
      let credit = server.channelCredit(far, channel)
      return sum + (window > credit ? window - credit : 0)
    }
  }

  func receiveControlFromClient(_ message: [UInt8]) { server.control(far, encoded: message) }

  /// The client has ended its stream, or is gone.
  func clientDidEnd(_ code: ErrorCode, _ reason: String) {
    switch state {
    case .open: server.reset(far, code, reason: reason)
    case .draining: server.abandon(far)
    case .over: return
    }
    state = .over
  }

  // MARK: From the server

  func receiveFromServer(_ chunk: Chunk, _ channel: Channel) { downward(channel).receive(chunk) }

  func finishFromServer(_ channel: Channel) { downward(channel).finish() }

  private func downward(_ channel: Channel) -> ChannelPasser {
    if let passer = down[channel] { return passer }
    let passer = ChannelPasser(
      from: server, far, channel, to: client.link.outbound(near, channel), isInput: false,
      // A passer may report it again after that has ended this stream.
      didDrain: { [weak self] in self?.endIfDrained() })
    down[channel] = passer
    // The others carry little.
    if channel == .stdout || channel == .file { server.anticipate(far, channel) }
    return passer
  }

  /// The server has not run the request and never will.
  func refuse(_ reason: String) {
    guard case .open = state else { return }
    state = .over
    server.reset(far, .canceled, reason: "the server did not take it")
    client.link.close(near, CloseResult(.refused, message: reason))
    client.streamDidEnd(self)
  }

  func receiveControlFromServer(_ message: [UInt8]) { client.link.control(near, encoded: message) }

  /// The server has ended its stream.
  func serverDidEnd(_ ending: Ending) {
    guard case .open = state else { return }
    state = .draining(ending)
    up.values.forEach { $0.drop() }
    endIfDrained()
  }

  private func endIfDrained() {
    guard case .draining(let ending) = state, down.values.allSatisfy(\.isDrained) else { return }
    state = .over
    switch ending {
    case .close(let result): client.link.close(near, encoded: result)
    case .reset(let code, let reason): client.link.reset(near, code, reason: reason)
    }
    client.streamDidEnd(self)
  }
}
