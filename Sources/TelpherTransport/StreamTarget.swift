/// Where the bytes of a client's stream go, or come from: a socket, or a server that a hub reaches by
/// its name.
package enum StreamTarget: Sendable, Hashable {
  /// The address of a socket.
  case socket(SocketAddress)
  /// The server with this name at the hub.
  case hub(HubName)

  private static let hubPrefix = "hub:"

  /// Parses `hub:NAME`, or the address of a socket.
  ///
  /// - Throws: `TransportError` (`badAddress`) with the expected form.
  package init(parsing text: String) throws(TransportError) {
    guard text.hasPrefix(Self.hubPrefix) else {
      self = .socket(try SocketAddress(parsing: text))
      return
    }
    guard let name = HubName(text.dropFirst(Self.hubPrefix.count)) else {
      throw TransportError(.badAddress, "'\(text)' is not of the form hub:NAME: \(HubName.rule)")
    }
    self = .hub(name)
  }
}

extension StreamTarget: CustomStringConvertible {
  /// The text that `init(parsing:)` takes.
  package var description: String {
    switch self {
    case .socket(let address): address.description
    case .hub(let name): "\(Self.hubPrefix)\(name)"
    }
  }
}

/// The name under which a server is registered at a hub: 1 to 64 letters, digits, `.`, `_` and `-`, the
/// first a letter or digit.
package struct HubName: Sendable, Hashable, CustomStringConvertible {
  /// The name.
  package let description: String

  /// The longest name in bytes: as long as a label of the DNS, and those of a fleet's workers.
  package static let maxLength = 64
  /// What a name is, for messages.
  package static let rule =
    "a name has 1 to \(maxLength) letters, digits, '.', '_' and '-', the first a letter or digit"

  /// Reads a name; nil if the text is none.
  package init?(_ text: some StringProtocol) {
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: false
      }
    }
    guard (1...Self.maxLength).contains(text.utf8.count), let first = text.utf8.first,
      isAlphanumeric(first),
      text.utf8.allSatisfy({ isAlphanumeric($0) || "._-".utf8.contains($0) })
    else { return nil }
    description = String(text)
  }
}
