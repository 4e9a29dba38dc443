/// Reads the encoding of SSH (RFC 4251, section 5) strictly.
///
///     byte      1 byte
///     uint32    4 bytes, the highest first
///     string    uint32 length, then that many bytes
///     mpint     string: a number in two's complement, the highest byte first, as short as possible
struct SSHReader {
  private let bytes: ArraySlice<UInt8>
  private var position: Int

  init(_ bytes: some Sequence<UInt8>) {
    self.bytes = ArraySlice(bytes)
    position = self.bytes.startIndex
  }

  /// Whether everything was read.
  var isAtEnd: Bool { position == bytes.endIndex }

  mutating func byte() throws(KeyError) -> UInt8 {
    guard let byte = bytes[position...].first else { throw Self.cut }
    position += 1
    return byte
  }

  mutating func uint32() throws(KeyError) -> UInt32 {
    let four = try take(4)
    return four.reduce(0) { $0 << 8 | UInt32($1) }
  }

  mutating func string() throws(KeyError) -> [UInt8] {
    let length = try uint32()
    return Array(try take(Int(length)))
  }

  /// A string of printable ASCII characters, as the names of types and algorithms are.
  mutating func name() throws(KeyError) -> String {
    let bytes = try string()
    guard bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw KeyError("a name in it is not printable ASCII")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// A positive number without leading zeros: its bytes, the highest first.
  mutating func positiveNumber() throws(KeyError) -> [UInt8] {
    let bytes = try string()
    guard let first = bytes.first else { throw KeyError("a number in it is zero") }
    if first & 0x80 != 0 { throw KeyError("a number in it is negative") }
    guard first == 0 else { return bytes }
    guard bytes.count > 1, bytes[1] & 0x80 != 0 else {
      throw KeyError("a number in it has needless zeros")
    }
    return Array(bytes.dropFirst())
  }

  /// The next `count` bytes.
  mutating func take(_ count: Int) throws(KeyError) -> ArraySlice<UInt8> {
    guard count <= bytes.endIndex - position else { throw Self.cut }
    defer { position += count }
    return bytes[position..<position + count]
  }

  /// - Throws: `KeyError` if bytes are left.
  func end() throws(KeyError) {
    guard isAtEnd else { throw KeyError("there are bytes after its end") }
  }

  private static let cut = KeyError("it ends too early")
}

/// Writes the encoding of SSH.
struct SSHWriter {
  private(set) var bytes: [UInt8] = []

  mutating func uint32(_ number: Int) {
    guard let number = UInt32(exactly: number) else {
      preconditionFailure("all that is written is in memory and below 4 GiB")
    }
    withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func string(_ string: [UInt8]) {
    uint32(string.count)
    bytes += string
  }

  mutating func string(_ text: String) { string(Array(text.utf8)) }

  /// A positive number of these bytes, without leading zeros.
  mutating func positiveNumber(_ number: [UInt8]) {
    string((number.first ?? 0) & 0x80 != 0 ? [0] + number : number)
  }

  mutating func raw(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }
}
