/// A request about sockets of the server's machine: the keys of an OPEN with one of the operations
/// below (docs/PROTOCOL.md, "Sockets").
package struct SocketRequest: Sendable, Equatable, Codable {
  /// The operation.
  package enum Operation: String, Sendable, CaseIterable {
    /// Connect to `address`; the stream carries the bytes of the connection.
    case connect
    /// Answer whether `connect` to `address` is allowed. Nothing is connected.
    case check
    /// Listen at `address`; the stream announces each accepted connection.
    case listen
    /// Take the accepted connection `connection`; the stream carries its bytes.
    case accept
  }

  /// The operation.
  package var operation: Operation
  /// `connect`, `check`, `listen`: `tcp:HOST:PORT` or `unix:PATH`.
  package var address: String?
  /// `accept`: the name under which the server announced the connection.
  package var connection: String?

  /// The longest `address` in bytes: a host name has at most 253 (RFC 1035), the path of a Unix
  /// socket 107.
  package static let maxAddressLength = 512

  /// A request about an address.
  package init(_ operation: Operation, address: String) {
    self.operation = operation
    self.address = address
  }

  /// A request for an accepted connection.
  package init(accept connection: String) {
    operation = .accept
    self.connection = connection
  }

  enum CodingKeys: String, CodingKey, CaseIterable { case address, connection }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    address = try container.decodeIfPresent(String.self, forKey: .address)
    connection = try container.decodeIfPresent(String.self, forKey: .connection)
    // The caller sets it: the key 'op' belongs to the whole OPEN.
    operation = .connect
  }

  /// Returns the request if its values are valid.
  func validated() throws(WireError) -> SocketRequest {
    func refuse(_ message: String) -> WireError {
      WireError(.protocolError, "\(operation.rawValue): \(message)")
    }
    switch operation {
    case .connect, .check, .listen:
      guard let address else { throw refuse("'address' is missing") }
      guard address.utf8.count <= Self.maxAddressLength else {
        throw refuse("'address' is longer than \(Self.maxAddressLength) bytes")
      }
    case .accept:
      guard connection != nil else { throw refuse("'connection' is missing") }
    }
    return self
  }
}
