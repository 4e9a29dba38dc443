/// The state of one stream: the windows of each channel and in which directions it is still open.
///
/// It is a class so that handling a frame costs one look-up and no copy of all channels. Only the
/// session, which can't be copied, holds it.
final class StreamState {
  /// One channel of the stream.
  struct ChannelState: Sendable {
    /// This side's credit.
    var send: SendWindow
    /// The peer's credit.
    var receive: ReceiveWindow
    /// Whether this side has sent FIN or never sends on this channel.
    var sendFinished: Bool
    /// Whether the peer has sent FIN or never sends on this channel.
    var receiveFinished: Bool
  }

  // Every frame uses it several times. Only the session does, and it calls no other code meanwhile.
  // Debug builds check that.
  #if !DEBUG
    @exclusivity(unchecked)
  #endif
  private var channels: InlineArray<6, ChannelState>
  /// The payload bytes of DATA that this side has sent on the stream.
  var bytesSent: UInt64 = 0

  /// A stream that was just opened, from the point of view of `role`.
  init(role: Session.Role, sendWindow: UInt64, receiveWindow: ReceiveWindow, noInput: Bool) {
    channels = InlineArray { index in
      guard let channel = Channel(rawValue: UInt8(index)) else {
        preconditionFailure("there are as many states as channels")
      }
      let fromClient = channel.clientMaySend && !(noInput && channel == .stdin)
      let fromServer = channel.serverMaySend
      return ChannelState(
        send: SendWindow(limit: sendWindow), receive: receiveWindow,
        sendFinished: role == .client ? !fromClient : !fromServer,
        receiveFinished: role == .client ? !fromServer : !fromClient)
    }
  }

  subscript(channel: Channel) -> ChannelState {
    _read { yield channels[Int(channel.rawValue)] }
    _modify { yield &channels[Int(channel.rawValue)] }
  }

  /// The number of bytes that arrived on all channels and were not taken.
  var pending: UInt64 {
    Channel.allCases.reduce(0) { $0 + self[$1].receive.pending }
  }
}
