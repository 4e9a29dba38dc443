internal import TelpherTransport

/// One text of a server on its way to who wants it, in UTF-8.
final class ReceivedText {
  private let transcoder: Transcoder?
  private let deliver: (Chunk) async throws -> Void

  /// - Parameter encoding: what it comes in; nil to deliver bytes as they are.
  /// - Throws: `ClassicError` where there is no such encoding.
  init(
    _ encoding: String?, deliver: @escaping (Chunk) async throws -> Void
  ) throws(ClassicError) {
    transcoder = try encoding.map { (name) throws(ClassicError) in
      try Transcoder(from: name, to: "UTF-8")
    }
    self.deliver = deliver
  }

  /// Delivers a piece, as far as whole characters are there.
  func receive(_ chunk: Chunk) async throws {
    guard let transcoder else { return try await deliver(chunk) }
    try await deliver(bytes: chunk.withUnsafeBytes { transcoder.convert($0) })
  }

  /// Delivers what is left at the end.
  func finish() async throws {
    if let transcoder { try await deliver(bytes: transcoder.finish()) }
  }

  private func deliver(bytes: [UInt8]) async throws {
    if !bytes.isEmpty { try await deliver(Chunk(bytes)) }
  }
}
