package import TelpherTransport

/// Sends and receives the messages of a chat. Any thread may call it. The caller owns its loop.
package actor ChatSocket {
  /// The loop of the socket.
  package nonisolated let loop: any EventLoop
  /// The loop, as the actor's executor.
  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  /// The received messages, except for the replies that `send(_:to:waiting:)` returns. If too many
  /// wait here, the oldest are lost.
  package nonisolated let messages: AsyncStream<ChatMessage>

  private let encoding: String?
  private let continuation: AsyncStream<ChatMessage>.Continuation
  private var socket: (any DatagramSocket)?
  /// The friend whose next message `send(_:to:waiting:)` waits for.
  private var expected: DatagramAddress?
  private var reply: ChatMessage?
  private let bell = Bell()

  /// The most messages that wait in `messages`.
  private static let mostMessages = 1_000

  /// Creates a socket that is not open yet.
  ///
  /// - Parameter encoding: the encoding of the texts in datagrams. Nil for UTF-8.
  /// - Throws: `ClassicError` (`badRequest`) if the encoding is unknown.
  package init(on loop: any EventLoop, encoding: String? = nil) throws(ClassicError) {
    if let encoding {
      _ = try Transcoder(from: encoding, to: "UTF-8")
      _ = try Transcoder(from: "UTF-8", to: encoding)
    }
    self.loop = loop
    self.encoding = encoding
    (messages, continuation) = AsyncStream.makeStream(
      bufferingPolicy: .bufferingNewest(Self.mostMessages))
  }

  /// Opens the socket for an operator, at an address that only this machine can reach.
  ///
  /// - Returns: the address with the actual port.
  /// - Throws: `ClassicError` (`badRequest`) for an address that other machines can reach;
  ///   `TransportError` if the socket cannot be opened.
  package func listen(at address: DatagramAddress) throws -> DatagramAddress {
    let classic = ClassicAddress.datagrams(address)
    guard classic.staysHere else { throw ClassicError.notLocal(classic) }
    return try open(at: address)
  }

  /// Opens the socket at a free port, for replies from `friends`.
  ///
  /// - Throws: `TransportError` if the socket cannot be opened.
  package func open(for friends: ChatFriends) throws {
    _ = try open(at: friends.replyAddress)
  }

  private func open(at address: DatagramAddress) throws(TransportError) -> DatagramAddress {
    let socket = try loop.openDatagramSocket(at: address) { payload, sender in
      self.receive(payload, from: sender)
    }
    self.socket = socket
    return socket.address
  }

  private func receive(_ payload: Chunk, from sender: DatagramAddress) {
    let message = ChatMessage(text: decode(payload), sender: sender)
    if let expected, expected.isSame(as: sender) {
      self.expected = nil
      reply = message
      bell.ring()
    } else {
      continuation.yield(message)
    }
  }

  private func decode(_ payload: Chunk) -> String {
    guard let encoding, let transcoder = try? Transcoder(from: encoding, to: "UTF-8") else {
      return String(decoding: [UInt8](payload), as: UTF8.self)
    }
    let bytes = payload.withUnsafeBytes { transcoder.convert($0) } + transcoder.finish()
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Sends `text`. Does nothing if the socket is not open.
  ///
  /// - Throws: `TransportError` if the text is too long or cannot be sent.
  package func send(_ text: String, to address: DatagramAddress) throws {
    try socket?.send(Chunk(Shell.encode(text, in: encoding)), to: address)
  }

  /// Sends `text` and waits for that friend's next message. For one caller at a time.
  ///
  /// - Returns: the message; nil if none arrives within that many nanoseconds.
  /// - Throws: `TransportError` if the text cannot be sent.
  package func send(
    _ text: String, to friend: DatagramAddress, waiting nanoseconds: UInt64
  ) async throws -> ChatMessage? {
    try send(text, to: friend)
    reply = nil
    expected = friend
    let timer = loop.schedule(after: nanoseconds) { self.stopExpecting() }
    defer { timer.cancel() }
    while expected != nil { await bell.wait() }
    return reply
  }

  private func stopExpecting() {
    expected = nil
    bell.ring()
  }

  /// Closes the socket and ends `messages`.
  package func close() {
    socket?.close()
    socket = nil
    stopExpecting()
    continuation.finish()
  }
}
