internal import TelpherText

/// Writes encoded values.
enum JSONWriter {
  /// Appends `element` to `bytes`.
  static func write(_ element: JSONElement, to bytes: inout [UInt8]) {
    switch element {
    case .literal(let text): bytes.append(contentsOf: text.utf8)
    case .string(let text): write(text, to: &bytes)
    case .node(let node):
      switch node.content {
      case .empty: bytes.append(contentsOf: "{}".utf8)
      case .single(let element): write(element, to: &bytes)
      case .array(let elements): write(elements, to: &bytes)
      case .object(let members): write(members, to: &bytes)
      }
    }
  }

  private static func write(_ elements: [JSONElement], to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "["))
    var isFirst = true
    for element in elements {
      if !isFirst { bytes.append(UInt8(ascii: ",")) }
      isFirst = false
      write(element, to: &bytes)
    }
    bytes.append(UInt8(ascii: "]"))
  }

  /// Writes an object with sorted keys. Of members with equal keys the last one is written.
  private static func write(
    _ members: [(key: ExactText, value: JSONElement)], to bytes: inout [UInt8]
  ) {
    // By key, and members with equal keys in the order of encoding.
    let order = members.indices.sorted {
      members[$0].key == members[$1].key ? $0 < $1 : members[$0].key < members[$1].key
    }
    bytes.append(UInt8(ascii: "{"))
    var isFirst = true
    for (place, index) in order.enumerated() {
      let member = members[index]
      if place + 1 < order.count, members[order[place + 1]].key == member.key { continue }
      if !isFirst { bytes.append(UInt8(ascii: ",")) }
      isFirst = false
      write(member.key.text, to: &bytes)
      bytes.append(UInt8(ascii: ":"))
      write(member.value, to: &bytes)
    }
    bytes.append(UInt8(ascii: "}"))
  }

  private static func write(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): bytes.append(contentsOf: #"\""#.utf8)
      case UInt8(ascii: "\\"): bytes.append(contentsOf: #"\\"#.utf8)
      case 0x08: bytes.append(contentsOf: #"\b"#.utf8)
      case 0x09: bytes.append(contentsOf: #"\t"#.utf8)
      case 0x0A: bytes.append(contentsOf: #"\n"#.utf8)
      case 0x0C: bytes.append(contentsOf: #"\f"#.utf8)
      case 0x0D: bytes.append(contentsOf: #"\r"#.utf8)
      case 0..<0x20:
        bytes.append(contentsOf: #"\u00"#.utf8)
        bytes.append(hexDigit(byte >> 4))
        bytes.append(hexDigit(byte & 0xF))
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }
}
