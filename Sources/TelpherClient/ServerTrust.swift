internal import Glibc
internal import TelpherAccess
internal import TelpherTransport

/// Which servers this client talks to, decided before it sends a byte.
struct ServerTrust {
  /// Users besides this process's own and root.
  let trustedUsers: Set<UInt32>

  /// Why nothing is sent to `peer`, which answers at `address`; nil if it may be a server for this
  /// client.
  ///
  /// Anybody can listen on a Unix socket in a folder that is open to all, and would be given the
  /// commands, their environment and their input, and could make up their results.
  func refusal(of peer: PeerIdentity, at address: SocketAddress) -> ClientError? {
    switch peer {
    case .user(let uid, let pid):
      guard uid != geteuid(), uid != 0, !trustedUsers.contains(uid) else { return nil }
      return ClientError(
        .notAuthenticated,
        "the server at \(address) runs as user \(uid) (process \(pid)), not as you or root, so nothing was sent to it; --trust-uid \(uid) allows it"
      )
    // What answers on a TCP port proves itself by the token, and who made a pipe knows its ends.
    case .network, .inherited: return nil
    }
  }

  /// What the server at `address` must prove; nil if the system tells who it is.
  ///
  /// - Throws: `ClientError` (`notAuthenticated`) without a token that it could be proven by.
  func prover(_ token: Token?, at address: SocketAddress) throws(ClientError) -> TokenProver? {
    switch address {
    case .unix: return nil
    case .tcp:
      guard let token else {
        throw ClientError(
          .notAuthenticated,
          "\(address) can't be used without the server's token: anybody may listen there")
      }
      return TokenProver(token, at: address)
    }
  }
}
