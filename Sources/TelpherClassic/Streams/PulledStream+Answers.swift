internal import TelpherTransport

extension PulledStream {
  /// Delivers exactly `count` bytes, in pieces as they come.
  ///
  /// - Throws: `ClassicError` (`lost`) that says how much was there; what `deliver` throws.
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
  /// What a client meets whose server ended the connection in the place of an answer.
  static let endedBeforeAnswer = ClassicError(.lost, "the server ended the connection")
}
