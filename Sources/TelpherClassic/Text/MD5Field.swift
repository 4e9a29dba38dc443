/// The value of the key `md5` in a dictionary.
enum MD5Field: Sendable, Equatable {
  /// The key is missing, or its value is null.
  case missing
  /// A digest: 32 hexadecimal digits in lower case.
  case digits(String)
  /// Any other value. The tutorials send a placeholder (`xxxdxxxx`). The text is a short form for
  /// messages, in quotes and without control characters.
  case placeholder(String)

  /// The hexadecimal digits of an MD5, which has 16 bytes.
  private static let digitCount = 32
  /// The characters of a placeholder that messages show.
  private static let shownCount = 40

  /// Creates the value that `text` stands for.
  init(_ text: String) {
    let isDigest =
      text.utf8.count == Self.digitCount && text.allSatisfy { $0.isASCII && $0.isHexDigit }
    self = isDigest ? .digits(text.lowercased()) : .placeholder(Self.shown(text))
  }

  private static func shown(_ text: String) -> String {
    text.count > shownCount
      ? "\(String(text.prefix(shownCount)).debugDescription)..." : text.debugDescription
  }
}

extension MD5Field: Codable {
  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if value.decodeNil() {
      self = .missing
    } else if let text = try? value.decode(String.self) {
      self.init(text)
    } else {
      self = .placeholder("(not a text)")
    }
  }

  func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    switch self {
    case .missing: try value.encodeNil()
    case .digits(let text), .placeholder(let text): try value.encode(text)
    }
  }
}
