internal import Glibc
internal import TelpherAccess
internal import TelpherTransport
internal import TelpherWire

/// Who may use this server: decided from what the system says of a peer, before a byte of it is
/// read.
struct Access: Sendable {
  /// The token of TCP clients, if they may connect.
  let tokens: TokenSource?

  /// What is done with a new connection.
  enum Decision {
    /// The system says that it is one of those who may.
    case known
    /// It is a stranger until it has proven itself.
    case mustProve(TokenProver, source: String)
    /// It is turned away. `cause` is for this server's owner alone.
    case refused(WireError, cause: String?)
  }

  /// Decides about a new connection from `peer`.
  ///
  /// - Parameter address: where it was accepted; nil of one that nobody connected to.
  func decide(_ peer: PeerIdentity, at address: SocketAddress?) -> Decision {
    switch peer {
    case .inherited: return .known
    case .user(let uid, _):
      guard uid == geteuid() || uid == 0 else {
        return refusal(
          "user \(uid) may not use this server, which belongs to user \(geteuid())")
      }
      return .known
    case .network(let source, let isLoopback):
      guard isLoopback else {
        return refusal(
          "connections from \(source) are refused: TCP is not encrypted and serves this machine only; use ssh://HOST instead"
        )
      }
      guard let tokens, let address else { return refusal("this server takes no TCP clients") }
      do throws(SecretFile.Failure) {
        return .mustProve(TokenProver(try tokens.current(), at: address), source: source)
      } catch {
        return refusal("this server can't read its token; its log says why", cause: "\(error)")
      }
    }
  }

  private func refusal(_ message: String, cause: String? = nil) -> Decision {
    .refused(WireError(.notAuthenticated, message), cause: cause)
  }
}
