/// The value of `md5` in a dictionary.
enum MD5Field: Sendable, Equatable {
  /// There is none.
  case missing
  /// A digest: 32 hexadecimal digits, in lower case.
  case digits(String)
  /// Anything else, which is no digest. The tutorials send a placeholder (`xxxdxxxx`). For a person,
  /// quoted.
  case placeholder(String)

  /// An MD5 has 16 bytes.
  private static let digitCount = 32
  /// A placeholder is shown as far as this many characters.
  private static let shownCount = 40

  /// The value that `text` is.
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
      self = .placeholder("that is no text")
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
