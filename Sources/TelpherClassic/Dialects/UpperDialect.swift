internal import TelpherTransport

/// The dialect `upper`.
///
///     client:  any bytes                         UDP: one datagram
///     server:  the bytes with a-z made A-Z       UDP: one datagram
///
/// A stream has no message boundaries: the server answers each read until the client ends its side.
/// All other bytes stay unchanged, also those of characters outside ASCII (as with Python's
/// bytes.upper()).
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

  /// Answers a client until it ends its side. The server reads no faster than the client reads.
  static func serve(_ client: PulledStream) async throws(ClassicError) {
    while let bytes = try await client.read() { try await client.write(upperCase(bytes)) }
  }

  /// Sends `bytes` and delivers the same number of bytes.
  static func ask(
    _ bytes: [UInt8], on server: PulledStream, _ deliver: (Chunk) async throws -> Void
  ) async throws {
    try await server.write(bytes)
    try await server.deliver(Int64(bytes.count), to: deliver)
  }
}
