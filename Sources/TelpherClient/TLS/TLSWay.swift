/// The way to a server with TLS.
enum TLSWay {
  /// A connection to its address.
  case network(TLSAddress)
  /// A tunnel through a hub, over this connection.
  case hub(HubAddress, Connection)

  /// The user of the server's system in whose authorized_keys the client's ssh key must be; any if nil.
  var user: String? {
    switch self {
    case .network(let address): address.user
    case .hub: nil
    }
  }
}

extension TLSWay: CustomStringConvertible {
  /// The server's address.
  var description: String {
    switch self {
    case .network(let address): address.description
    case .hub(let address, _): address.description
    }
  }
}
