internal import TelpherSockets
package import TelpherTransport

/// A message between a server and the process that takes its sockets over: one JSON object in one
/// packet.
///
///     new process                             server
///       ask ────────────────────────────────────▸
///         ◂──────────────────────────────── holds      (where it listens)
///       take ───────────────────────────────────▸
///         ◂─────────────────────────────── offers      (with the descriptors)
///       ready ──────────────────────────────────▸      (it has prepared everything)
///         ◂─────────────────────────────────── go
///       serves ─────────────────────────────────▸      (it accepts connections)
///         ◂──────────────────────── end of the connection
///
/// Instead of each of its messages, the server may send `refuses` and end the connection. Until
/// `serves` has arrived it goes on as before if the connection ends.
enum HandOverMessage: Codable, Equatable {
  /// Where do you listen?
  case ask
  /// These are the server's sockets.
  case holds(sockets: [HeldSocket])
  /// Hand your sockets over to me.
  case take
  /// The descriptors of the sockets come with this message, in this order.
  case offers(sockets: [HeldSocket])
  /// Everything is prepared. The numbers are those of the sockets that are used.
  case ready(taken: [Int])
  /// Begin to accept connections.
  case go
  /// Connections are accepted.
  case serves
  /// It is not done, for this reason.
  case refuses(reason: String)
}

/// A listening socket as a server describes it.
package struct HeldSocket: Codable, Equatable, Sendable {
  /// The address at which it listens, as text.
  package let address: String
  /// The address that the server was asked to listen at, with port 0 if the system chose the port.
  package let asked: String
  /// The file of a Unix socket.
  let file: SocketFileIdentity?

  /// Whether a server that is asked to listen at `address` means this socket: the same file, or the
  /// same port of the same host.
  package func isMeant(by address: SocketAddress) -> Bool {
    switch address {
    case .unix(let path): file != nil && SocketFileIdentity(ofFileAt: path) == file
    case .tcp, .vsock: address.description == self.address
    }
  }
}
