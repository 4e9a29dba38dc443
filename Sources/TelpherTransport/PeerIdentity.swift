/// Who is at the other end of a stream, by the word of the system and not of the peer.
public enum PeerIdentity: Sendable, Equatable {
  /// A process on this machine, of this user (SO_PEERCRED, unix(7)).
  case user(uid: UInt32, pid: Int32)
  /// A network peer, by its address; whether it is on the loopback interface.
  case network(address: String, isLoopback: Bool)
  /// The process that started this one, or that this one started: pipes to it.
  case inherited
}

extension PeerIdentity: CustomStringConvertible {
  /// The peer for a person.
  public var description: String {
    switch self {
    case .user(let uid, let pid): "process \(pid) of user \(uid)"
    case .network(let address, _): address
    case .inherited: "the process at the other end"
    }
  }
}
