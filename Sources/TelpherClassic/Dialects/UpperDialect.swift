internal import TelpherTransport

/// `upper`
///
///     client:  any bytes                         UDP: one datagram
///     server:  as many, with a-z made A-Z        UDP: one datagram
///
/// On streams there are no boundaries: what the server reads it answers, until the client ends. All
/// other bytes stay as they are (Python's bytes.upper()), those of characters outside ASCII too.
enum UpperDialect {
  /// `bytes` with a-z made A-Z.
  static func upperCase(_ bytes: Chunk) -> Chunk {
    Chunk(
      capacity: bytes.count,
      fill: { memory in
        bytes.withUnsafeBytes { bytes in
          for (index, byte) in bytes.enumerated() {
            let isLower = byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")
            memory[index] = isLower ? byte & ~0x20 : byte
          }
        }
        return bytes.count
      })
  }

  /// Answers a client until it ends. One that reads slowly is read slowly.
  static func serve(_ client: PulledStream) async throws(ClassicError) {
    while let bytes = try await client.read() { try await client.write(upperCase(bytes)) }
  }

  /// Sends `bytes` and delivers as many.
  static func ask(
    _ bytes: [UInt8], on server: PulledStream, _ deliver: (Chunk) async throws -> Void
  ) async throws {
    try await server.write(bytes)
    try await server.deliver(Int64(bytes.count), to: deliver)
  }
}
