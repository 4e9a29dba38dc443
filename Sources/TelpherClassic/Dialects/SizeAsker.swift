internal import TelpherTransport

/// The client's side of `size`, for one connection.
///
/// A server either waits for an acknowledgement of the size, or sleeps before it sends the answer.
/// Nothing on the wire shows which, and a server that sleeps would run an acknowledgement as its
/// next command. So with `automatic` the client waits longer than such servers sleep before it
/// acknowledges the first size, and then remembers the kind of server.
final class SizeAsker {
  /// The kind of server, as far as the client knows it.
  private enum Server {
    /// Nothing is known yet.
    case unknown
    /// The server waits for acknowledgements.
    case waits
    /// The server sleeps, and would run an acknowledgement as a command.
    case sleeps
    /// The client has acknowledged, but the answer came so late that the server may have slept
    /// instead. Then it also answers the acknowledgement as a command.
    case doubtful
  }

  /// The longest text of a size; no size has as many digits.
  private static let longestNumber = 64

  private let stream: PulledStream
  private let loop: any EventLoop
  private let limits: ClassicLimits
  private var server: Server

  init(
    _ stream: PulledStream, _ mode: ClassicAcknowledgement, limits: ClassicLimits,
    on loop: any EventLoop
  ) {
    self.stream = stream
    self.limits = limits
    self.loop = loop
    server =
      switch mode {
      case .automatic: .unknown
      case .always: .waits
      case .never: .sleeps
      }
  }

  /// Sends `command` and delivers the answer.
  ///
  /// - Parameter isLast: whether no other command follows on the connection.
  /// - Throws: `ClassicError`, or the error that `deliver` throws.
  func ask(
    _ command: [UInt8], isLast: Bool, _ deliver: (Chunk) async throws -> Void
  ) async throws {
    if case .doubtful = server { server = try await answersStray() ? .sleeps : .waits }
    try await stream.write(command)
    guard let size = try await readSize() else { throw ClassicError.endedBeforeAnswer }
    guard size > 0 else {
      if !isLast { try await separateEmptyAnswer() }
      return
    }
    switch server {
    case .sleeps: break
    case .waits, .doubtful: try await stream.write(Acknowledgement.ready)
    case .unknown: try await findOut()
    }
    try await stream.deliver(size, to: deliver)
  }

  /// Waits for the answer, and acknowledges the size if it does not come. Records the kind of
  /// server.
  private func findOut() async throws(ClassicError) {
    if try await hasMore(within: limits.sleepingServer) {
      server = .sleeps
      return
    }
    try await stream.write(Acknowledgement.ready)
    server = try await hasMore(within: limits.promptAnswer) ? .waits : .doubtful
  }

  /// Acknowledges the size 0, then waits so that the server does not read the acknowledgement and
  /// the next command together: no answer comes between them.
  private func separateEmptyAnswer() async throws(ClassicError) {
    if case .sleeps = server { return }
    try await stream.write(Acknowledgement.ready)
    await stream.waitUntilRead(
      on: loop, pause: limits.betweenMessages, longest: limits.serverReads)
    if case .unknown = server { server = try await answersStray() ? .sleeps : .waits }
  }

  /// Whether the server answers the last acknowledgement as a command. Drops that answer.
  private func answersStray() async throws(ClassicError) -> Bool {
    guard try await hasMore(within: limits.strayAnswer) else { return false }
    guard let size = try await readSize() else { throw ClassicError.endedBeforeAnswer }
    var left = size
    while left > 0 {
      guard let chunk = try await stream.read(upTo: Int(clamping: left)) else {
        throw ClassicError.endedBeforeAnswer
      }
      left -= Int64(chunk.count)
    }
    return true
  }

  /// Whether the server sends something, or ends its side, within that time. Keeps what it sent for
  /// the next read.
  private func hasMore(within nanoseconds: UInt64) async throws(ClassicError) -> Bool {
    switch try await stream.read(within: nanoseconds, on: loop) {
    case .piece(let piece):
      stream.unread(piece)
      return true
    case .end: return true
    case .silence: return false
    }
  }

  private func readSize() async throws(ClassicError) -> Int64? {
    guard let read = try await stream.read() else { return nil }
    return try Self.size([UInt8](read))
  }

  /// The number that `bytes` contain as decimal text.
  ///
  /// - Throws: `ClassicError` (`violation`) if they are not a size.
  static func size(_ bytes: [UInt8]) throws(ClassicError) -> Int64 {
    let text = String(decoding: bytes.prefix(longestNumber), as: UTF8.self)
    let digits = text.filter { !$0.isWhitespace }
    guard bytes.count <= longestNumber, let size = Int64(digits), size >= 0 else {
      throw ClassicError(.violation, "the server sent \(text.debugDescription) instead of a size")
    }
    return size
  }
}
