public import TelpherTransport

/// Asks one server, Telpher's or a tutorial's. From any thread.
///
/// The loop stays the caller's. A client that is not closed stays open until its loop ends.
public actor ClassicClient {
  /// Where a piece of an answer belongs. Only `raw` on datagrams tells the two apart.
  public enum Output: Sendable {
    /// Standard output, or all of it.
    case standard
    /// Standard error.
    case error
  }

  /// The loop that the connection lives on.
  public nonisolated let loop: any EventLoop
  /// The loop.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

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
  ///   - encoding: the encoding of the server's text, by its name in `iconv -l`; it is delivered in
  ///     UTF-8. Without one, bytes are delivered as they are.
  ///   - acknowledgement: whether a client of `size` acknowledges sizes.
  ///   - notice: receives, at most once, what a person is to know and what is no failure: that
  ///     answers can't be checked, say. On the loop's thread.
  /// - Throws: `ClassicError`: `badRequest` where the dialect, address or encoding make no sense,
  ///   `unreachable` where nobody answers.
  public static func connect(
    _ dialect: ClassicDialect, to address: ClassicAddress, on loop: any EventLoop,
    encoding: String? = nil, limits: ClassicLimits = ClassicLimits(),
    acknowledgement: ClassicAcknowledgement = .automatic,
    notice: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws -> ClassicClient {
    guard dialect != .upload, dialect != .chat else {
      throw ClassicError(.badRequest, "\(dialect.rawValue) is nothing to ask")
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
        // `raw` leaves in the system what it doesn't take, so that it sticks there as in the
        // tutorials.
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

  /// Sends `text` in UTF-8 (a command; for `time` a format) and delivers the answer, piece by piece
  /// as it comes. After an error the client can only be closed, but for `silent`.
  ///
  /// - Parameters:
  ///   - isLast: whether nothing else will be asked. Only then `raw`, which can't tell where an
  ///     answer ends, waits for more of it than one read brings (see `RawDialect.askLast`).
  ///   - deliver: takes a piece; the next is not read before it returns.
  /// - Throws: `ClassicError`; what `deliver` throws.
  public func ask(
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

  /// Ends the connection.
  public func close() {
    stream?.close()
    port?.close()
  }

  private func ask(
    _ question: [UInt8], isLast: Bool, on stream: PulledStream,
    _ deliver: (Chunk) async throws -> Void
  ) async throws {
    switch dialect {
    case .upper: try await UpperDialect.ask(question, on: stream, deliver)
    case .raw where isLast, .reply where isLast:
      let wait = RawWait(loop: loop, silence: limits.silence, firstAnswer: limits.firstAnswer)
      try await RawDialect.askLast(question, on: stream, wait, notice: { note($0) }, deliver)
    case .raw, .reply: try await RawDialect.askOnce(question, on: stream, deliver)
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
    // A command takes its time, and its two datagrams come together.
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
  /// `connect(to:completion:)` for who waits on this loop.
  func connect(to address: SocketAddress) async throws(TransportError) -> any ByteStream {
    let result = await withCheckedContinuation { continuation in
      connect(to: address) { result in
        // It stays on the loop, where the caller waits.
        nonisolated(unsafe) let result = result
        continuation.resume(returning: result)
      }
    }
    return try result.get()
  }
}
