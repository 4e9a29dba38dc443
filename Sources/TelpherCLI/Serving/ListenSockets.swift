internal import Glibc
internal import TelpherTransport

/// The sockets at which a server listens.
enum ListenSockets {
  /// The sockets to listen at, after a check of their hosts and folders.
  static func checked(
    _ addresses: [ListenAddress], environment: [String: String]
  ) throws(Failure) -> [SocketAddress] {
    if addresses.isEmpty {
      let socket = DefaultSocket(environment: environment)
      try socket.prepareFolder()
      try socket.holdLock()
      return [.unix(path: socket.path)]
    }
    var sockets: [SocketAddress] = []
    for case .socket(let address) in addresses {
      if case .tcp(let host, _) = address, !Host.isLoopback(host) {
        throw Failure(Loopback.refusal("\(address)"))
      }
      if case .unix(let path) = address { try checkFolder(of: path) }
      sockets.append(address)
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

extension SocketAddress {
  /// Whether it is a TCP address, to which every user of the machine can connect.
  var isTCP: Bool {
    switch self {
    case .tcp: true
    case .unix: false
    }
  }
}
