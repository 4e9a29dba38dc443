internal import NIOCore
internal import TelpherSockets

/// The NIO channel of a stream.
struct StreamChannel {
  /// The context of the stream's handler. Nil before it is added and after NIO has removed it.
  var context: ChannelHandlerContext?
  /// The channel's options. Nil before the stream has a channel and after the channel was closed.
  private(set) var options: (any NIOSynchronousChannelOptions)?
  /// The descriptor of a socket. Nil for a pipe, and whenever `options` is nil.
  private(set) var socketDescriptor: Int32?
  /// An inherited descriptor whose flags are restored when the channel closes.
  var adopted: AdoptedDescriptor?
  /// The last error that NIO reported.
  var lastError: (any Error)?
  /// The number of nested calls to NIO. Events that NIO reports meanwhile are delivered later.
  private(set) var callDepth = 0

  /// Whether the channel is open.
  var isOpen: Bool { options != nil }
  /// Whether a call to NIO is under way.
  var isInCall: Bool { callDepth > 0 }

  /// The channel can be used.
  mutating func didOpen(_ options: any NIOSynchronousChannelOptions, socket: Int32?) {
    self.options = options
    socketDescriptor = socket
  }

  /// The channel was closed.
  mutating func didClose() {
    options = nil
    socketDescriptor = nil
  }

  /// A call to NIO begins.
  mutating func beginCall() { callDepth += 1 }
  /// A call to NIO has returned.
  mutating func endCall() { callDepth -= 1 }
}
