/// The secret that a server and its TCP clients share: 32 random bytes. It is never sent: each side
/// proves to the other that it knows the token (`TokenProver`).
public struct Token: Sendable {
  /// The length of a token in bytes.
  public static let length = 32

  let bytes: [UInt8]

  /// A token of these bytes; nil unless there are exactly `length`.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.length else { return nil }
    self.bytes = bytes
  }

  /// The token that `text` encodes as 64 hexadecimal digits; nil for any other text.
  public init?(hexadecimal text: String) {
    guard let bytes = Hexadecimal.bytes(text) else { return nil }
    self.init(bytes)
  }

  /// A new random token.
  public static func random() -> Token { Token(known: RandomBytes.make(length)) }

  private init(known bytes: [UInt8]) { self.bytes = bytes }

  /// The token as 64 lower-case hexadecimal digits, as its file holds it.
  public var hexadecimal: String { Hexadecimal.text(bytes) }
}

// A token that is printed by mistake, in a log or an error, reveals nothing.
extension Token: CustomStringConvertible, CustomReflectable {
  /// Nothing of its bytes.
  public var description: String { "a token" }
  /// Nothing of its bytes.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Bytes as hexadecimal digits.
package enum Hexadecimal {
  /// Two lower-case digits for each byte.
  package static func text(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// The bytes that `text` encodes; nil if it is not an even number of hexadecimal digits.
  package static func bytes(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = digit(digits[index]), let low = digit(digits[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func digit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

/// Unpredictable bytes.
package enum RandomBytes {
  /// `count` random bytes from the system's generator, getrandom(2), which is fit for secrets.
  package static func make(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
}
