internal import TelpherTransport

/// `size`
///
///     client:  the command
///     server:  the number of bytes of the answer, as decimal text
///     client:  anything: `recv_ready`, a sentence
///     server:  the bytes: standard output, then standard error
///
/// The number has no end of its own: it is what one read brings. That is why the server waits for
/// the acknowledgement, which is what one read of its own brings; else the answer would stick to the
/// number.
///
/// Behind an empty answer nothing separates the acknowledgement from the next command, and the two
/// may stick: there, what the client acknowledged with before (or `recv_ready`) is taken off the
/// front, and the rest is the command.
final class SizeDialect: CollectedDialect {
  /// More digits than any size has.
  private static let longestNumber = 64
  private static let acknowledgement = "recv_ready"

  /// What this client acknowledged with last.
  private var lastAcknowledgement = Array(SizeDialect.acknowledgement.utf8)

  func send(_ answer: Answer, to client: PulledStream) async throws(ClassicError) {
    try await client.write(String(answer.count))
    guard let read = try await client.read() else {
      throw ClassicError(.lost, "the client ended before its acknowledgement")
    }
    let acknowledgement = [UInt8](read)
    if answer.count > 0 {
      lastAcknowledgement = acknowledgement
    } else if acknowledgement.starts(with: lastAcknowledgement) {
      client.unread(read.slice(lastAcknowledgement.count..<read.count))
    }
    try await answer.write(to: client)
  }

  /// Sends `command` and delivers the answer.
  static func ask(
    _ command: [UInt8], on server: PulledStream, _ deliver: (Chunk) async throws -> Void
  ) async throws {
    try await server.write(command)
    guard let read = try await server.read() else { throw ClassicError.endedBeforeAnswer }
    let size = try size([UInt8](read))
    try await server.write(acknowledgement)
    try await server.deliver(size, to: deliver)
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
