internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A server that only echoes the bytes of channel `file`, with the same link, session and backend as
/// the real server. Use it on its loop's thread only.
final class EchoServer {
  private let loop: any EventLoop
  private var socket: (any BoundSocket)?
  private var listener: (any Listener)?
  private var connections: [ObjectIdentifier: EchoConnection] = [:]

  init(on loop: any EventLoop) { self.loop = loop }

  /// Listens on a free port of 127.0.0.1 and returns the address.
  func start() throws(TransportError) -> SocketAddress {
    let socket = try loop.bind(to: .tcp(host: "127.0.0.1", port: 0), backlog: 1_024)
    self.socket = socket
    listener = try loop.serve(socket) { [unowned self] stream in accept(stream) }
    return socket.address
  }

  private func accept(_ stream: any ByteStream) {
    let hello = Hello(window: FrameLoad.window, connectionWindow: FrameLoad.window)
    let link = Link(role: .server, stream: stream, loop: loop, hello: hello)
    let connection = EchoConnection { [unowned self] connection in
      connections[ObjectIdentifier(connection)] = nil
    }
    connections[ObjectIdentifier(connection)] = connection
    connection.start(link)
  }
}

/// One connection of the echo server. It echoes one stream.
private final class EchoConnection: LinkDelegate {
  private var link: Link?
  private var answers: OutboundChannel?
  private let didEnd: (EchoConnection) -> Void

  init(didEnd: @escaping (EchoConnection) -> Void) { self.didEnd = didEnd }

  func start(_ link: Link) {
    self.link = link
    link.start(delegate: self)
  }

  func link(_ link: Link, didReceive hello: Hello) { link.announce() }

  func link(_ link: Link, didOpen stream: StreamID, request: [UInt8], noInput: Bool) {
    answers = link.outbound(stream, .file)
  }

  func link(_ link: Link, didReceive chunk: Chunk, on stream: StreamID, _ channel: Channel) {
    link.consume(stream, channel, chunk.count)
    // Aborts the connection of a client that does not read its answers; the load always reads them.
    guard let answers, answers.send(chunk) || answers.credit > 0 else { return link.abort() }
  }

  func link(_ link: Link, didFinish channel: Channel, of stream: StreamID) { answers?.finish() }
  func link(_ link: Link, didReceiveControl message: [UInt8], for stream: StreamID) {}
  func link(_ link: Link, didClose stream: StreamID, result: [UInt8]) {}
  func link(_ link: Link, didReset stream: StreamID, _ code: ErrorCode, reason: String) {}
  func link(
    _ link: Link, willGoAwayAfter last: StreamID, _ code: ErrorCode, reason: String
  ) {}
  func link(_ link: Link, didReceivePong number: UInt64) {}

  func link(_ link: Link, didEnd end: LinkEnd) { didEnd(self) }
}
