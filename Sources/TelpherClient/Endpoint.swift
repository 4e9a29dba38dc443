public import TelpherTransport

/// The address of a server.
public enum Endpoint: Sendable, Equatable {
  /// A Unix socket, a TCP socket on this machine, or a vsock of a virtual machine or its host.
  case socket(SocketAddress)
  /// A server on any machine that listens with TLS.
  case tls(TLSAddress)
  /// A server that is registered at a hub, on any machine.
  indirect case hub(HubAddress)
  /// Another place, reached through a program that starts a server there for this connection.
  case carrier(Carrier)

  /// Parses `unix:PATH`, `tcp:HOST:PORT`, `vsock:CID:PORT`, `tls://HOST[:PORT]`, `hub+ADDRESS/NAME`,
  /// `ssh://[USER@]HOST[:PORT]`, `docker://CONTAINER`,
  /// `podman://CONTAINER`, `kubectl://[CONTEXT/]NAMESPACE/POD[/CONTAINER]` or `exec:COMMAND ...`.
  ///
  /// - Throws: `ClientError` (`badAddress`) with a message that explains the mistake.
  public init(parsing text: String) throws(ClientError) {
    if let address = try HubAddress(parsing: text) {
      self = .hub(address)
      return
    }
    if let carrier = try Carrier(parsing: text) {
      self = .carrier(carrier)
      return
    }
    if let address = try TLSAddress(parsing: text) {
      self = .tls(address)
      return
    }
    do throws(TransportError) {
      self = .socket(try SocketAddress(parsing: text))
    } catch {
      throw ClientError(
        .badAddress, "\(error.message), \(TLSAddress.form), \(HubAddress.form), or \(Carrier.forms)"
      )
    }
  }
}

extension Endpoint: CustomStringConvertible {
  /// The address in the form that `init(parsing:)` takes.
  public var description: String {
    switch self {
    case .socket(let address): address.description
    case .tls(let address): address.description
    case .hub(let address): address.description
    case .carrier(let carrier): carrier.description
    }
  }
}
