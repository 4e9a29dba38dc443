extension PathText: CustomStringConvertible {
  /// The path for a person: what is not UTF-8, a control character or a backslash is escaped, so that
  /// it can neither hide nor move a terminal's cursor.
  public var description: String { shown(escapingBackslashes: true) }

  /// The same, or with backslashes as they are: of a sentence in which paths are escaped already.
  public func shown(escapingBackslashes: Bool) -> String {
    var text = ""
    var parser = Unicode.UTF8.ForwardParser()
    var rest = bytes.makeIterator()
    var index = 0
    while true {
      switch parser.parseScalar(from: &rest) {
      case .valid(let encoded):
        let scalar = Unicode.UTF8.decode(encoded)
        switch scalar {
        case "\\" where escapingBackslashes: text += "\\\\"
        case _ where Self.isControl(scalar):
          for byte in encoded { text += Self.escape(byte) }
        default: text.unicodeScalars.append(scalar)
        }
        index += encoded.count
      case .error(let length):
        for byte in bytes[index..<(index + length)] { text += Self.escape(byte) }
        index += length
      case .emptyInput:
        return text
      }
    }
  }

  private static func escape(_ byte: UInt8) -> String {
    "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }

  /// Also those that turn the direction of writing, by which a name looks like another one.
  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}
