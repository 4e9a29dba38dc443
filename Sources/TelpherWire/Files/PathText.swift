/// A name or path on the wire: bytes without NUL, as the system has them. In JSON a string where they
/// are UTF-8, else `{"base64":"..."}`, since a file's name may be any bytes.
public struct PathText: Sendable, Hashable {
  /// The bytes.
  public var bytes: [UInt8]

  /// A path of these bytes.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }
  /// A path of this text's UTF-8 bytes.
  public init(_ text: String) { bytes = Array(text.utf8) }
}

extension PathText: Codable {
  private enum CodingKeys: String, CodingKey { case base64 }

  public init(from decoder: any Decoder) throws {
    if let text = try? decoder.singleValueContainer().decode(String.self) {
      self.init(text)
      return
    }
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard let bytes = JSONCoding.bytes(base64: try container.decode(String.self, forKey: .base64))
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .base64, in: container, debugDescription: "not base64")
    }
    self.init(bytes)
  }

  public func encode(to encoder: any Encoder) throws {
    if let text = String(validating: bytes, as: UTF8.self) {
      var container = encoder.singleValueContainer()
      try container.encode(text)
    } else {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(JSONCoding.base64(bytes), forKey: .base64)
    }
  }
}
