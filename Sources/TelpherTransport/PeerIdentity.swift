/// The identity of a stream's peer, as the system reports it, not the peer itself.
public enum PeerIdentity: Sendable, Equatable {
  /// A process of this user on this machine (SO_PEERCRED, unix(7)).
  case user(uid: UInt32, pid: Int32)
  /// A network peer with its address, and whether that is on the loopback interface.
  case network(address: String, isLoopback: Bool)
  /// A process of any user on a machine that vsock reaches, and this machine as the peer named it.
  case vsock(VsockMachine, reached: VsockMachine)
  /// A peer whose bytes another machine passes on. Nothing is known about it but what that machine says:
  /// this text, which begins with the machine.
  case passedOn(String)
  /// The process that started this one, or that this one started, connected by pipes.
  case inherited
}

extension PeerIdentity: CustomStringConvertible {
  /// The peer in words, for the user.
  public var description: String {
    switch self {
    case .user(let uid, let pid): "process \(pid) of user \(uid)"
    case .network(let address, _): address
    case .vsock(let machine, _): "vsock:\(machine)"
    case .passedOn(let text): text
    case .inherited: "the process at the other end"
    }
  }
}
