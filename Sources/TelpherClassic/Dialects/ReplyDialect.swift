internal import TelpherTransport

/// `reply`
///
///     client:  any message                       UDP: one datagram
///     server:  one fixed text                    UDP: one datagram
///
/// On streams what one read of the server brings is a message.
enum ReplyDialect {
  /// The text, in the encoding that the clients want.
  static func answer(_ options: ClassicServerOptions) -> [UInt8] {
    guard let text = options.text else { preconditionFailure("a reply server has a text") }
    return Shell.encode(text, in: options.encoding)
  }

  /// Answers a client until it ends.
  static func serve(
    _ client: PulledStream, _ options: ClassicServerOptions
  ) async throws(ClassicError) {
    let answer = answer(options)
    while try await client.read() != nil { try await client.write(answer) }
  }
}
