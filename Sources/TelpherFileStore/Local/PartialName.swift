/// The hidden names of files and links that are not complete yet.
///
/// A partial file is `.telpher.<32 hexadecimal digits>.<slot>.partial`. The digits are the xxh128
/// of the destination's name, so that the next transfer finds the file. A link is `.telpher.<32
/// hexadecimal digits>.0.link` with random digits.
enum PartialName {
  /// The maximum number of simultaneous transfers to one destination.
  static let slots = 8

  private static let start = Array(".telpher.".utf8)
  private static let digits = 32
  private static let fileEnd = Array(".partial".utf8)
  private static let linkEnd = Array(".link".utf8)

  /// The name of the partial file of `name` in `slot`, 0 to 7.
  static func ofFile(_ name: [UInt8], slot: Int) -> [UInt8] {
    var hasher = FileHasher(.xxh128)
    name.withUnsafeBytes { hasher.update($0) }
    return start + Array("\(hasher.digest).\(slot)".utf8) + fileEnd
  }

  /// A random name for a partial file. No later transfer finds it.
  static func randomFile() -> [UInt8] { start + Array("\(random()).0".utf8) + fileEnd }

  /// A random name for a symlink until it is renamed.
  static func ofLink() -> [UInt8] { start + Array("\(random()).0".utf8) + linkEnd }

  private static func random() -> String {
    (0..<digits / 2).map { _ in UInt8.random(in: 0...255) }.hexadecimal
  }

  /// Whether `name` has the form of one of these names.
  static func matches(_ name: [UInt8]) -> Bool {
    guard name.starts(with: start) else { return false }
    let digits = name.dropFirst(start.count).prefix(digits)
    let rest = name.dropFirst(start.count + digits.count)
    guard digits.count == Self.digits, digits.allSatisfy(isDigit), rest.count > 2 else {
      return false
    }
    let slot = Int(rest[rest.startIndex + 1]) - Int(UInt8(ascii: "0"))
    let end = rest.dropFirst(2)
    return rest.first == UInt8(ascii: ".") && (0..<slots).contains(slot)
      && (end.elementsEqual(fileEnd) || end.elementsEqual(linkEnd))
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }
}
