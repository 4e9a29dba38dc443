internal import TelpherTransport

/// The client's side of `size`, for one connection.
///
/// A server either waits for an acknowledgement of the size or sleeps before the answer. Nothing
/// tells which, and an acknowledgement to a server that sleeps would be its next command. So, with
/// `automatic`, the client waits for longer than such servers sleep before it acknowledges the first
/// size, and remembers which kind the server is.
final class SizeAsker {
  /// What is known of the server.
  private enum Server {
    /// Nothing yet.
    case unknown
    /// It waits for acknowledgements.
    case waits
    /// It sleeps, and takes an acknowledgement for a command.
    case sleeps
    /// It was acknowledged, and its answer came so late that it may sleep for long: then it answers
    /// the acknowledgement as a command.
    case doubtful
  }

  /// More digits than any size has.
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
  /// - Throws: `ClassicError`; what `deliver` throws.
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

  /// Waits for the answer, and acknowledges when it does not come.
  private func findOut() async throws(ClassicError) {
    if try await hasMore(within: limits.sleepingServer) {
      server = .sleeps
      return
    }
    try await stream.write(Acknowledgement.ready)
    server = try await hasMore(within: limits.promptAnswer) ? .waits : .doubtful
  }

  /// After an empty answer nothing separates the acknowledgement from the next command but a pause.
  private func separateEmptyAnswer() async throws(ClassicError) {
    if case .sleeps = server { return }
    try await stream.write(Acknowledgement.ready)
    await stream.waitUntilRead(
      on: loop, pause: limits.betweenMessages, longest: limits.serverReads)
    if case .unknown = server { server = try await answersStray() ? .sleeps : .waits }
  }

  /// Whether the server answers the last acknowledgement as a command. That answer is dropped.
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

  /// Whether the server sends something, or ends, within so many nanoseconds. It stays to be read.
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

  /// The number that `bytes` are the text of.
  ///
  /// - Throws: `ClassicError` (`violation`) where they are no size.
  static func size(_ bytes: [UInt8]) throws(ClassicError) -> Int64 {
    let text = String(decoding: bytes.prefix(longestNumber), as: UTF8.self)
    let digits = text.filter { !$0.isWhitespace }
    guard bytes.count <= longestNumber, let size = Int64(digits), size >= 0 else {
      throw ClassicError(.violation, "the server sent no size but \(text.debugDescription)")
    }
    return size
  }
}
