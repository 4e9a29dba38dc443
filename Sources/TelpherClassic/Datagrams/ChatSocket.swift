public import TelpherTransport

/// Sends and receives the texts of a chat. From any thread; its loop stays the caller's.
public actor ChatSocket {
  /// The loop that the socket lives on.
  public nonisolated let loop: any EventLoop
  /// The loop.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  /// What comes, but for what `send(_:to:waiting:)` returns. Of what nobody takes in time, the oldest
  /// is lost.
  public nonisolated let messages: AsyncStream<ChatMessage>

  private let encoding: String?
  private let continuation: AsyncStream<ChatMessage>.Continuation
  private var socket: (any DatagramSocket)?
  /// Whose next message is waited for.
  private var expected: DatagramAddress?
  private var reply: ChatMessage?
  private let bell = Bell()

  /// Messages that wait to be taken.
  private static let mostMessages = 1_000

  /// A socket that is not open yet.
  ///
  /// - Parameter encoding: the encoding of the texts on their way; nil for UTF-8.
  /// - Throws: `ClassicError` (`badRequest`) where there is no such encoding.
  public init(on loop: any EventLoop, encoding: String? = nil) throws(ClassicError) {
    if let encoding {
      _ = try Transcoder(from: encoding, to: "UTF-8")
      _ = try Transcoder(from: "UTF-8", to: encoding)
    }
    self.loop = loop
    self.encoding = encoding
    (messages, continuation) = AsyncStream.makeStream(
      bufferingPolicy: .bufferingNewest(Self.mostMessages))
  }

  /// Opens it at an address that only this machine reaches, for an operator.
  ///
  /// - Returns: the address with the real port.
  /// - Throws: `ClassicError` (`badRequest`) for any other address; `TransportError` where it can't
  ///   be opened.
  public func listen(at address: DatagramAddress) throws -> DatagramAddress {
    let classic = ClassicAddress.datagrams(address)
    guard classic.staysHere else { throw ClassicError.notHere(classic) }
    return try open(at: address)
  }

  /// Opens it at a free port for the replies of `friends`.
  ///
  /// - Throws: `TransportError` where it can't be opened.
  public func open(for friends: ChatFriends) throws {
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

  /// Sends `text`.
  ///
  /// - Throws: `TransportError` where it is too long or can't be sent.
  public func send(_ text: String, to address: DatagramAddress) throws {
    try socket?.send(Chunk(Shell.encode(text, in: encoding)), to: address)
  }

  /// Sends `text` and waits for what that friend writes next. For one caller at a time.
  ///
  /// - Returns: what it writes; nil where nothing comes within so many nanoseconds.
  /// - Throws: `TransportError` where the text can't be sent.
  public func send(
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

  /// Closes it; the messages end.
  public func close() {
    socket?.close()
    socket = nil
    stopExpecting()
    continuation.finish()
  }
}
