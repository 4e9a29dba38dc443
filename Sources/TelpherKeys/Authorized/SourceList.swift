internal import Glibc
internal import TelpherText

/// The value of `from`: addresses, ranges of addresses and patterns, some of which exclude with `!`.
///
/// Hosts are compared by address only, as sshd does by default (UseDNS no). So the name of a host
/// never matches, and one that excludes a host by its name is refused: it would not exclude it.
package struct SourceList: Sendable, Equatable {
  private enum Rule: Sendable, Equatable {
    case range(NetworkAddress, bits: Int)
    case pattern(NamePattern)
  }

  private struct Element: Sendable, Equatable {
    let rule: Rule
    let excludes: Bool
  }

  private let elements: [Element]

  /// Reads a list.
  ///
  /// - Throws: `KeyError` if a part of it is malformed, or excludes a host by its name.
  package init(_ text: String) throws(KeyError) {
    var elements: [Element] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let excludes = part.hasPrefix("!")
      elements.append(
        Element(
          rule: try Self.rule(excludes ? part.dropFirst() : part, excludes), excludes: excludes)
      )
    }
    self.elements = elements
  }

  private static func rule(_ text: Substring, _ excludes: Bool) throws(KeyError) -> Rule {
    func malformed(_ why: String) -> KeyError {
      KeyError("'from' contains '\(ShownText.escaped(String(text.prefix(64))))': \(why)")
    }
    if text.isEmpty { throw malformed("a part is empty") }
    if let slash = text.firstIndex(of: "/") {
      guard let address = NetworkAddress(String(text[..<slash])) else {
        throw malformed("it is not an address")
      }
      let digits = text[slash...].dropFirst()
      guard (1...3).contains(digits.utf8.count),
        digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let bits = Int(digits),
        bits <= address.bytes.count * 8
      else { throw malformed("the length of its range is wrong") }
      guard address == address.masked(to: bits) else {
        throw malformed("it has bits after the length of its range")
      }
      return .range(address, bits: bits)
    }
    if let address = NetworkAddress(String(text)) {
      return .range(address, bits: address.bytes.count * 8)
    }
    let isAboutAddresses = text.utf8.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
      default: Array(".:*?".utf8).contains(byte)
      }
    }
    guard isAboutAddresses || !excludes else {
      throw malformed("a host can't be excluded by its name, only by its address")
    }
    return .pattern(NamePattern(text))
  }

  /// Whether a client at this numeric address may use the key.
  package func allows(_ source: String) -> Bool {
    guard let address = NetworkAddress(source) else { return false }
    var isAllowed = false
    for element in elements {
      let isMatch =
        switch element.rule {
        case .range(let start, let bits):
          start.bytes.count == address.bytes.count && address.masked(to: bits) == start
        case .pattern(let pattern): pattern.matches(address.text)
        }
      guard isMatch else { continue }
      if element.excludes { return false }
      isAllowed = true
    }
    return isAllowed
  }
}

/// A numeric address of IPv4 or IPv6. An IPv4 address that is mapped into IPv6 is one of IPv4.
struct NetworkAddress: Sendable, Equatable {
  /// 4 or 16 bytes.
  let bytes: [UInt8]

  private init(bytes: [UInt8]) { self.bytes = bytes }

  /// nil if the text is not a numeric address.
  init?(_ text: String) {
    guard !text.utf8.contains(0) else { return nil }
    var four = in_addr()
    if inet_pton(AF_INET, text, &four) == 1 {
      bytes = withUnsafeBytes(of: four) { Array($0) }
      return
    }
    var six = in6_addr()
    guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
    let all = withUnsafeBytes(of: six) { Array($0) }
    let mapped = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]
    bytes = Array(all[..<12]) == mapped ? Array(all[12...]) : all
  }

  /// The address with only its first `bits` bits.
  func masked(to bits: Int) -> NetworkAddress {
    NetworkAddress(
      bytes: bytes.enumerated().map { index, byte in
        let kept = min(8, max(0, bits - index * 8))
        return kept == 0 ? 0 : byte & (0xFF << UInt8(8 - kept))
      })
  }

  /// The address as the system writes it.
  var text: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = bytes.count == 4 ? AF_INET : AF_INET6
    guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else {
      preconditionFailure("there is room for every address")
    }
    return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }
}
