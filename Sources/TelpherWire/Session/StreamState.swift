/// One stream as the wire sees it: per channel, which way bytes may still go, and how many.
///
/// A class, so that a frame costs a look-up and no copy of all channels. Only the session has it,
/// and that can't be copied either.
final class StreamState {
  /// One channel of the stream.
  struct ChannelState: Sendable {
    /// What this side may send.
    var send: SendWindow
    /// What the peer may send.
    var receive: ReceiveWindow
    /// This side sent FIN, or never sends on this channel.
    var sendFinished: Bool
    /// The peer sent FIN, or never sends on this channel.
    var receiveFinished: Bool
  }

  private var channels: InlineArray<6, ChannelState>
  /// Bytes of DATA that this side sent on the stream.
  var bytesSent: UInt64 = 0

  /// A stream that was just opened, seen from `role`.
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

  /// Bytes that arrived on any channel and were not taken.
  var pending: UInt64 {
    Channel.allCases.reduce(0) { $0 + self[$1].receive.pending }
  }
}
