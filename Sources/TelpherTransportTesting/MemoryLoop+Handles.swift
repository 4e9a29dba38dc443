internal import Glibc
package import TelpherTransport

extension MemoryLoop {
  /// Always `group`: a program in memory starts no processes.
  package var killScope: KillScope { .group }

  /// The limits of processes: a program in memory is given them and ignores them.
  package var enforceableLimits: Set<ResourceLimit.Kind> { ResourceLimit.Kind.ofProcesses }

  /// Always one process that uses nothing.
  package func load(of leaders: [Int32]) -> [Int32: TreeLoad] {
    Dictionary(leaders.map { ($0, TreeLoad(processes: 1)) }) { $1 }
  }

  /// Calls `didReceive` for each `MemoryNetwork.raise(signal)`. Real signals are not watched.
  package func watch(
    signal: Int32, _ didReceive: @escaping () -> Void
  ) throws(TransportError) -> any SignalWatch {
    try checkOpen("watch signal \(signal)")
    return MemorySignalWatch(signal, on: self, didReceive)
  }

  /// Binds an address of the network. Unix paths are only names; no file is created.
  package func bind(
    to address: SocketAddress, backlog: Int32
  ) throws(TransportError) -> any BoundSocket {
    try checkOpen("listen on \(address)")
    return try network.bind(address, backlog: Int(backlog))
  }

  /// Accepts connections from `socket`, which a loop of the same network bound.
  package func serve(
    _ socket: any BoundSocket, didAccept: @escaping (any ByteStream) -> Void
  ) throws(TransportError) -> any Listener {
    try checkOpen("serve \(socket.address)")
    guard let socket = socket as? MemoryBoundSocket else {
      preconditionFailure("a socket is served by loops of the backend that bound it")
    }
    return try MemoryListener(socket, on: self, didAccept: didAccept)
  }

  /// Connects to the listener at `address` in the network.
  package func connect(
    to address: SocketAddress,
    completion: @escaping (Result<any ByteStream, TransportError>) -> Void
  ) {
    callLater {
      do throws(TransportError) {
        try self.checkOpen("connect to \(address)")
        let endpoint = try self.network.connect(to: address)
        completion(.success(MemoryStream(endpoint, on: self)))
      } catch {
        completion(.failure(error))
      }
    }
  }

  /// Binds a UDP address of the network. If more than 256 KiB are waiting to be received, further
  /// datagrams are lost, as in a real system. No others are lost.
  package func openDatagramSocket(
    at address: DatagramAddress, didReceive: @escaping (Chunk, DatagramAddress) -> Void
  ) throws(TransportError) -> any DatagramSocket {
    try checkOpen("open \(address)")
    return try MemoryDatagramSocket(at: address, on: self, didReceive: didReceive)
  }

  /// Always throws: there are no descriptors in memory.
  package func adopt(
    reading input: Int32, writing output: Int32
  ) throws(TransportError) -> any ByteStream {
    throw TransportError(
      .system, "adopt descriptors \(input) and \(output): the memory backend has none",
      errno: ENOTSUP)
  }

  /// Starts the `MemoryProgram` that is registered under the first argument, or under "login shell".
  ///
  /// The program can read `directory` and `limits`, but they have no effect. `inherit` is the same
  /// as `null`.
  package func spawn(
    _ request: SpawnRequest,
    completion: @escaping (Result<any ChildProcess, SpawnError>) -> Void
  ) {
    callLater {
      guard !self.isClosing else {
        let message = "the loop was shut down"
        return completion(.failure(SpawnError(stage: .resources, errno: EAGAIN, message: message)))
      }
      let name =
        request.loginShell == nil ? request.arguments.first?.description ?? "" : "login shell"
      guard let program = self.network.program(name) else {
        let message = "cannot run '\(name)': No such file or directory"
        return completion(.failure(SpawnError(stage: .execute, errno: ENOENT, message: message)))
      }
      let process = MemoryProcess(request, program: program, on: self)
      completion(.success(process.child))
    }
  }

  private func checkOpen(_ purpose: String) throws(TransportError) {
    checkIsolated()
    if isClosing { throw TransportError(.shutDown, "\(purpose): the loop was shut down") }
  }
}
