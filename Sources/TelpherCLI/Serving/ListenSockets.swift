internal import Glibc
internal import TelpherTransport

/// A socket at which a server listens.
struct ListenSocket {
  let address: SocketAddress
  var hasTLS = false

  /// Whether every user of the machine, or other machines, can connect to it.
  var isOpenToStrangers: Bool {
    switch address {
    case .tcp, .vsock: true
    case .unix: false
    }
  }

  /// The address as the user writes it, with the port that the system has chosen.
  func text(_ bound: SocketAddress) -> String {
    hasTLS ? "tls:" + bound.description.dropFirst("tcp:".count) : bound.description
  }
}

/// The sockets at which a server listens.
enum ListenSockets {
  /// The sockets to listen at, after a check of their hosts and folders.
  static func checked(
    _ addresses: [ListenAddress], environment: [String: String]
  ) throws(Failure) -> [ListenSocket] {
    if addresses.isEmpty {
      let socket = DefaultSocket(environment: environment)
      try socket.prepareFolder()
      try socket.holdLock()
      return [ListenSocket(address: .unix(path: socket.path))]
    }
    var sockets: [ListenSocket] = []
    for address in addresses {
      switch address {
      case .socket(let address):
        if case .tcp(let host, _) = address, !Host.isLoopback(host) {
          throw Failure(Loopback.refusal("\(address)"))
        }
        if case .unix(let path) = address { try checkFolder(of: path) }
        sockets.append(ListenSocket(address: address))
      case .tls(let address): sockets.append(ListenSocket(address: address, hasTLS: true))
      case .stdio: break
      }
    }
    return sockets
  }

  /// Checks that the folder of the socket at `path` exists.
  ///
  /// - Throws: `Failure` if it does not. Other faults are left to bind(2), which reports them.
  private static func checkFolder(of path: String) throws(Failure) {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
    let folder = String(path[..<slash])
    guard access(folder, F_OK) != 0, errno == ENOENT else { return }
    throw Failure(
      "cannot listen at unix:\(path): the folder \(folder) is missing; make it with 'mkdir -p \(folder)'"
    )
  }
}
