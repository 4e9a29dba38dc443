internal import Glibc
internal import TelpherAccess
internal import TelpherTransport

/// Decides which servers this client trusts, before it sends any bytes.
struct ServerTrust {
  /// The ids of trusted users, in addition to this process's user and root.
  let trustedUsers: Set<UInt32>

  /// Returns the reason not to trust `peer`, which answers at `address`; nil if it is trusted.
  ///
  /// Any user can listen on a Unix socket in a folder that all users can write to. Such a program
  /// would receive the commands, their environment and their input, and could forge results.
  func refusal(of peer: PeerIdentity, at address: SocketAddress) -> ClientError? {
    switch peer {
    case .user(let uid, let pid):
      guard uid != geteuid(), uid != 0, !trustedUsers.contains(uid) else { return nil }
      return ClientError(
        .notAuthenticated,
        "the server at \(address) runs as user \(uid) (process \(pid)), not as you or root, so nothing was sent to it; --trust-uid \(uid) allows it"
      )
    // A server on TCP or vsock proves that it knows the token, and one behind a hub its key; the creator of a pipe chose the
    // process at its other end.
    case .network, .vsock, .passedOn, .inherited: return nil
    }
  }

  /// Returns the proof that the server at `address` must give; nil for Unix sockets, where the
  /// kernel reports the server's user.
  ///
  /// - Throws: `ClientError` (`notAuthenticated`) if `address` is TCP or vsock and `token` is nil.
  func prover(_ token: Token?, at address: SocketAddress) throws(ClientError) -> TokenProver? {
    switch address {
    case .unix: return nil
    case .tcp, .vsock:
      guard let token else {
        throw ClientError(
          .notAuthenticated,
          "\(address) can't be used without the server's token: any user's program may listen there"
        )
      }
      return TokenProver(token, at: address)
    }
  }
}
