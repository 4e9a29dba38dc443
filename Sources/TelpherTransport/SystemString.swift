/// A string of the system: an argument, a variable or a path. It may hold any bytes except NUL;
/// most are UTF-8 text, but the system does not require it.
public struct SystemString: Sendable, ExpressibleByStringLiteral {
  /// The bytes, without a NUL at the end.
  public var bytes: [UInt8]

  /// A string of these bytes.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }
  /// A string of this text's UTF-8 bytes.
  public init(_ text: String) { bytes = Array(text.utf8) }
  public init(stringLiteral text: String) { self.init(text) }
}

extension SystemString: Hashable {
  public static func == (a: SystemString, b: SystemString) -> Bool { a.bytes == b.bytes }

  public func hash(into hasher: inout Hasher) {
    // Hashes all bytes at once; an array would hash them one by one.
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
  }
}

extension SystemString: CustomStringConvertible {
  /// The text for the user. If the bytes are not UTF-8, each byte that is not ASCII is shown as
  /// `\xff`.
  public var description: String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    return bytes.map { byte in
      byte < 0x80 ? String(UnicodeScalar(byte)) : "\\x" + String(byte, radix: 16)
    }.joined()
  }
}

extension SystemString {
  /// Calls `body` with the bytes followed by a NUL, as C expects.
  public func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    (bytes + [0]).withUnsafeBufferPointer { buffer in
      buffer.withMemoryRebound(to: CChar.self) { chars in
        guard let start = chars.baseAddress else { preconditionFailure("the NUL is there") }
        return body(start)
      }
    }
  }
}
