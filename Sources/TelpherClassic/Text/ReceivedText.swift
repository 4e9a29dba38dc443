internal import TelpherTransport

/// Converts one text from a server to UTF-8 and delivers it.
final class ReceivedText {
  private let transcoder: Transcoder?
  private let deliver: (Chunk) async throws -> Void

  /// - Parameter encoding: the encoding of the text. If nil, bytes are delivered unchanged.
  /// - Throws: `ClassicError` (`badRequest`) if the encoding is unknown.
  init(
    _ encoding: String?, deliver: @escaping (Chunk) async throws -> Void
  ) throws(ClassicError) {
    transcoder = try encoding.map { (name) throws(ClassicError) in
      try Transcoder(from: name, to: "UTF-8")
    }
    self.deliver = deliver
  }

  /// Delivers the complete characters of the text so far.
  func receive(_ chunk: Chunk) async throws {
    guard let transcoder else { return try await deliver(chunk) }
    try await deliver(bytes: chunk.withUnsafeBytes { transcoder.convert($0) })
  }

  /// Delivers the rest at the end of the text.
  func finish() async throws {
    if let transcoder { try await deliver(bytes: transcoder.finish()) }
  }

  private func deliver(bytes: [UInt8]) async throws {
    if !bytes.isEmpty { try await deliver(Chunk(bytes)) }
  }
}
