internal import TelpherTransport

extension PulledStream {
  /// Delivers exactly `count` bytes, in pieces as they arrive.
  ///
  /// - Throws: `ClassicError` (`lost`) if the connection ends before all of them; the message says
  ///   how many arrived. Also the error that `deliver` throws.
  func deliver(_ count: Int64, to deliver: (Chunk) async throws -> Void) async throws {
    var left = count
    while left > 0 {
      guard let chunk = try await read(upTo: Int(clamping: left)) else {
        throw ClassicError(
          .lost, "the connection ended after \(count - left) of the \(count) bytes of the answer")
      }
      left -= Int64(chunk.count)
      try await deliver(chunk)
    }
  }
}

extension ClassicError {
  /// The server closed the connection without an answer.
  static let endedBeforeAnswer = ClassicError(
    .lost, "the server closed the connection without an answer")
}
