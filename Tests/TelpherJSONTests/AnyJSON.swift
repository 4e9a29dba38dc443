/// Any JSON value, encoded and decoded through the containers of `Codable`.
enum AnyJSON: Codable, Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  case real(Double)
  case string(String)
  case array([AnyJSON])
  case object([String: AnyJSON])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int64.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .real(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([AnyJSON].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: AnyJSON].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .real(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }

  /// A random value in which at most `depth` arrays and objects contain each other.
  static func random(depth: Int, using random: inout some RandomNumberGenerator) -> AnyJSON {
    switch Int.random(in: 0..<(depth > 0 ? 9 : 6), using: &random) {
    case 0: .null
    case 1: .bool(.random(using: &random))
    case 2: .integer(.random(in: -1_000...1_000, using: &random))
    case 3: .integer(.random(in: .min ... .max, using: &random))
    case 4: .real(randomReal(&random))
    case 5: .string(randomString(&random))
    case 6:
      .array(
        (0..<Int.random(in: 0...4, using: &random)).map { _ in
          self.random(depth: depth - 1, using: &random)
        })
    default:
      .object(
        Dictionary(
          (0..<Int.random(in: 0...12, using: &random)).map { _ in
            (randomString(&random), self.random(depth: depth - 1, using: &random))
          }
        ) { $1 })
    }
  }

  private static func randomReal(_ random: inout some RandomNumberGenerator) -> Double {
    if Bool.random(using: &random) { return .random(in: -1_000...1_000, using: &random) }
    let value = Double(bitPattern: random.next())
    // Whole numbers from 2^53 on are refused as integers, unlike by Foundation.
    return value.isFinite && !(0x1p53...0x1p64).contains(value.magnitude) ? value : 0.5
  }

  /// ASCII, so that the order of keys does not depend on how strings are compared.
  private static func randomString(_ random: inout some RandomNumberGenerator) -> String {
    let pieces = ["a", "b", "\"", "\\", "/", "\n", "\r", "\t", "\u{8}", "\u{C}", "\u{1}", "\u{1F}"]
    return (0..<Int.random(in: 0...5, using: &random))
      .map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
  }
}
