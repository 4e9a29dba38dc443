package import TelpherTransport

/// A client of one server, Telpher's or a tutorial's. Any thread may call it, one call at a time.
///
/// The caller owns the loop. A client that is not closed stays open until the loop ends.
package actor ClassicClient {
  /// The output of a command that a piece of an answer belongs to. Only `raw` on datagrams
  /// separates the two; all other dialects deliver everything as `standard`.
  package enum Output: Sendable {
    /// Standard output, or the whole answer.
    case standard
    /// Standard error.
    case error
  }

  /// The loop of the connection.
  package nonisolated let loop: any EventLoop
  /// The loop, as the actor's executor.
  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let dialect: ClassicDialect
  private let address: ClassicAddress
  private let encoding: String?
  private let limits: ClassicLimits
  private let acknowledgement: ClassicAcknowledgement
  private let notice: @Sendable (String) -> Void
  private var hasNoticed = false
  private var sizeAsker: SizeAsker?
  private var stream: PulledStream?
  private var port: DatagramPort?

  private init(
    _ dialect: ClassicDialect, _ address: ClassicAddress, on loop: any EventLoop,
    encoding: String?, limits: ClassicLimits, _ acknowledgement: ClassicAcknowledgement,
    notice: @escaping @Sendable (String) -> Void
  ) {
    self.acknowledgement = acknowledgement
    self.notice = notice
    self.dialect = dialect
    self.address = address
    self.loop = loop
    self.encoding = encoding
    self.limits = limits
  }

  /// Connects to a server of `upper`, `raw`, `size`, `length`, `header`, `time` or `reply`.
  ///
  /// - Parameters:
  ///   - encoding: the encoding of the server's text, a name from `iconv -l`; text is then
  ///     delivered in UTF-8. If nil, bytes are delivered unchanged.
  ///   - acknowledgement: when a client of `size` acknowledges sizes.
  ///   - notice: called at most once, on the loop's thread, with a message for the user about
  ///     something that is not a failure, such as an answer without a checksum.
  /// - Throws: `ClassicError`: `badRequest` if the dialect, the address or the encoding cannot be
  ///   used, `unreachable` if the connection fails.
  package static func connect(
    _ dialect: ClassicDialect, to address: ClassicAddress, on loop: any EventLoop,
    encoding: String? = nil, limits: ClassicLimits = ClassicLimits(),
    acknowledgement: ClassicAcknowledgement = .automatic,
    notice: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws -> ClassicClient {
    guard dialect != .upload, dialect != .chat else {
      throw ClassicError(.badRequest, "'\(dialect.rawValue)' does not answer single requests")
    }
    try address.check(for: dialect)
    if let encoding { _ = try Transcoder(from: encoding, to: "UTF-8") }
    let client = ClassicClient(
      dialect, address, on: loop, encoding: encoding, limits: limits, acknowledgement,
      notice: notice)
    try await client.open()
    return client
  }

  private func open() async throws(ClassicError) {
    do throws(TransportError) {
      switch address {
      case .datagrams(let address): port = try DatagramPort(to: address, on: loop)
      case .streams(let address):
        let stream = try await loop.connect(to: address)
        // `raw` reads no further than one read at a time. The rest stays in the system, where
        // answers stick together as they do in the tutorials.
        let pulled =
          [.raw, .reply].contains(dialect)
          ? PulledStream(stream, readLimit: limits.rawReadBytes, aheadBytes: 0)
          : PulledStream(stream, aheadBytes: limits.aheadBytes)
        if dialect == .size {
          sizeAsker = SizeAsker(pulled, acknowledgement, limits: limits, on: loop)
        }
        self.stream = pulled
      }
    } catch {
      throw ClassicError(.unreachable, error.message)
    }
  }

  /// Sends `text` in UTF-8 and delivers the answer in pieces as they arrive. `text` is a command,
  /// or for `time` a format.
  ///
  /// After an error other than `silent` the client can only be closed.
  ///
  /// - Parameters:
  ///   - isLast: whether this is the last question on the connection. Only then does `raw` wait for
  ///     more of the answer than one read brings, since it cannot know where an answer ends (see
  ///     `RawDialect.askLast`).
  ///   - deliver: receives each piece; the next piece is read after it returns.
  /// - Throws: `ClassicError`, or the error that `deliver` throws.
  package func ask(
    _ text: String, isLast: Bool,
    deliver: @escaping @Sendable (Output, Chunk) async throws -> Void
  ) async throws {
    let question = Array(text.utf8)
    if let stream {
      let text = try ReceivedText(encoding) { try await deliver(.standard, $0) }
      try await ask(question, isLast: isLast, on: stream) { try await text.receive($0) }
      try await text.finish()
    } else if let port {
      try await ask(question, at: port, deliver)
    }
  }

  /// Closes the connection.
  package func close() {
    stream?.close()
    port?.close()
  }

  private func ask(
    _ question: [UInt8], isLast: Bool, on stream: PulledStream,
    _ deliver: (Chunk) async throws -> Void
  ) async throws {
    switch dialect {
    case .upper: try await UpperDialect.ask(question, on: stream, deliver)
    case .raw, .reply:
      let wait = RawWait(loop: loop, silence: limits.silence, firstAnswer: limits.firstAnswer)
      let ask = isLast ? RawDialect.askLast : RawDialect.askOnce
      try await ask(question, stream, wait, { note($0) }, deliver)
    case .size: try await sizeAsker?.ask(question, isLast: isLast, deliver)
    case .length: try await LengthDialect.ask(question, on: stream, deliver)
    case .header:
      try await HeaderDialect.ask(question, on: stream, limits, notice: { note($0) }, deliver)
    case .upload, .time, .chat: preconditionFailure("`connect` refuses streams for \(dialect)")
    }
  }

  private func note(_ text: String) {
    if !hasNoticed { notice(text) }
    hasNoticed = true
  }

  private func ask(
    _ question: [UInt8], at port: DatagramPort,
    _ deliver: @escaping @Sendable (Output, Chunk) async throws -> Void
  ) async throws {
    do throws(TransportError) {
      try port.ask(question)
    } catch {
      throw ClassicError(.limit, error.message)
    }
    var wait = limits.datagramAnswer
    // The command needs time before its two datagrams arrive. The second follows the first at once.
    if dialect == .raw { wait += limits.datagramCommand }
    for output in dialect == .raw ? [Output.error, .standard] : [.standard] {
      let payload = try await port.answer(within: wait)
      wait = limits.datagramAnswer
      let text = try ReceivedText(encoding) { try await deliver(output, $0) }
      try await text.receive(payload)
      try await text.finish()
    }
  }
}

extension EventLoop {
  /// `connect(to:completion:)` for a task that runs on this loop.
  func connect(to address: SocketAddress) async throws(TransportError) -> any ByteStream {
    let result = await withCheckedContinuation { continuation in
      connect(to: address) { result in
        // The result stays on this loop, on which the caller waits.
        nonisolated(unsafe) let result = result
        continuation.resume(returning: result)
      }
    }
    return try result.get()
  }
}
