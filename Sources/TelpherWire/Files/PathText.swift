private import TelpherJSON

/// A system string on the wire: an argument, a variable's value, a file name or a path. The system
/// allows any bytes except NUL. In JSON it is a string, or `{"base64":"..."}` if the bytes are not
/// UTF-8 or if that form is shorter.
public struct ByteText: Sendable, Hashable, ExpressibleByStringLiteral {
  /// The bytes.
  public var bytes: [UInt8]

  /// A string of these bytes.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }
  /// A string of the UTF-8 bytes of `text`.
  public init(_ text: String) { bytes = Array(text.utf8) }
  public init(stringLiteral text: String) { self.init(text) }
}

/// The name or path of a file.
public typealias PathText = ByteText

extension ByteText: Codable {
  private enum CodingKeys: String, CodingKey { case base64 }

  public init(from decoder: any Decoder) throws {
    if let text = try? decoder.singleValueContainer().decode(String.self) {
      self.init(text)
      return
    }
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard let bytes = Base64.decode(try container.decode(String.self, forKey: .base64))
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .base64, in: container, debugDescription: "not base64")
    }
    self.init(bytes)
  }

  /// Whether base64 is shorter than a JSON string, in which a control character takes six bytes. It
  /// matters because an OPEN has a maximum length.
  private var isShorterInBase64: Bool {
    let escaped = bytes.reduce(0) { $0 + ($1 < 0x20 ? 6 : 1) }
    return escaped > Self.base64Overhead + (bytes.count + 2) / 3 * 4
  }

  /// The length of `{"base64":""}` minus the two quotes of a plain string.
  private static let base64Overhead = 11

  public func encode(to encoder: any Encoder) throws {
    if !isShorterInBase64, let text = String(validating: bytes, as: UTF8.self) {
      var container = encoder.singleValueContainer()
      try container.encode(text)
    } else {
      try encodeBase64(to: encoder)
    }
  }

  // A function of its own: one that uses the container's type looks it up at its start, and the first
  // look-up searches all conformances of the program.
  @inline(never)
  private func encodeBase64(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Base64.encode(bytes), forKey: .base64)
  }
}
