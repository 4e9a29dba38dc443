package import TelpherTransport

/// The address of a server that is registered at a hub: how to reach the hub, and the server's name
/// there.
public struct HubAddress: Sendable, Equatable {
  /// The address of the hub.
  public let hub: Endpoint
  /// The name of the server at the hub.
  package let name: HubName

  /// How the addresses begin.
  static let prefix = "hub+"
  /// Their form, for messages.
  static let form = "hub+ADDRESS/NAME"

  /// An address.
  ///
  /// - Throws: `ClientError` (`badAddress`) if the hub itself is behind a hub.
  package init(hub: Endpoint, name: HubName) throws(ClientError) {
    if case .hub = hub {
      throw ClientError(.badAddress, "\(hub)/\(name): a hub can't be behind another hub")
    }
    (self.hub, self.name) = (hub, name)
  }

  /// Parses `hub+ADDRESS/NAME`. What follows the last slash is the name.
  ///
  /// - Returns: nil if `text` begins in another way.
  /// - Throws: `ClientError` (`badAddress`) with a message that explains the mistake.
  init?(parsing text: String) throws(ClientError) {
    guard text.hasPrefix(Self.prefix) else { return nil }
    let rest = text.dropFirst(Self.prefix.count)
    guard let slash = rest.lastIndex(of: "/") else {
      throw ClientError(.badAddress, "'\(text)' is not of the form \(Self.form)")
    }
    guard let name = HubName(rest[rest.index(after: slash)...]) else {
      throw ClientError(
        .badAddress, "'\(text)' does not end with a name (\(Self.form)): \(HubName.rule)")
    }
    do throws(ClientError) {
      try self.init(hub: Endpoint(parsing: String(rest[..<slash])), name: name)
    } catch {
      throw ClientError(
        .badAddress, "'\(text)' is not of the form \(Self.form): \(error.message)")
    }
  }

  /// The name under which the server's host key stands among the known hosts. No other address has it.
  package var knownHost: String {
    // A comma separates names there.
    let encoded = PercentText.encoded("\(hub)").split(
      separator: ",", omittingEmptySubsequences: false
    ).joined(separator: "%2c")
    return "\(Self.prefix)\(encoded)/\(name)"
  }
}

extension HubAddress: CustomStringConvertible {
  /// The address in the form that `Endpoint(parsing:)` takes.
  public var description: String { "\(Self.prefix)\(hub)/\(name)" }
}
