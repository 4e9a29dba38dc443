internal import TelpherTransport

/// The dialect `length`.
///
///     client:  the command
///     server:  +------------------+----------------------------------------+
///              | length (4)       | standard output, then standard error   |
///              +------------------+----------------------------------------+
///
/// The length counts bytes. It is a little-endian signed 32-bit integer, as Python's struct 'i' on
/// today's machines, so at most 2,147,483,647. The server does not send a longer answer; it sends a
/// note that says so instead, with the note's length.
struct LengthDialect: CollectedDialect {
  func longestAnswer(_ limits: ClassicLimits) -> Int64 {
    min(limits.announcedBytes, limits.collectedBytes)
  }

  func send(_ answer: Answer, to client: PulledStream) async throws(ClassicError) {
    try await client.write(LengthPrefix.encode(answer.count))
    try await answer.write(to: client)
  }

  /// Sends `command` and delivers the answer.
  static func ask(
    _ command: [UInt8], on server: PulledStream, _ deliver: (Chunk) async throws -> Void
  ) async throws {
    try await server.write(command)
    guard let length = try await LengthPrefix.read(from: server) else {
      throw ClassicError.endedBeforeAnswer
    }
    try await server.deliver(Int64(length), to: deliver)
  }
}
