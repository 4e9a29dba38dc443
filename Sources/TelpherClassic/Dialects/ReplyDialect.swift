internal import TelpherTransport

/// The dialect `reply`.
///
///     client:  any message                       UDP: one datagram
///     server:  one fixed text                    UDP: one datagram
///
/// On streams a message is what one read of the server brings.
enum ReplyDialect {
  /// The fixed text, in the encoding of the server's options.
  static func answer(_ options: ClassicServerOptions) -> [UInt8] {
    guard let text = options.text else { preconditionFailure("a reply server has a text") }
    return Shell.encode(text, in: options.encoding)
  }

  /// Answers a client until it ends its side.
  static func serve(
    _ client: PulledStream, _ options: ClassicServerOptions
  ) async throws(ClassicError) {
    let answer = answer(options)
    while try await client.read() != nil { try await client.write(answer) }
  }
}
