internal import Glibc
internal import TelpherTransport

/// A connection to an ssh-agent, over the Unix socket that SSH_AUTH_SOCK names.
///
/// Its methods block until the agent has answered, which may need its user: call them on a thread
/// that may wait.
package final class SSHAgent {
  private let socket: Int32

  /// How long the agent may take to list its keys, in seconds: it needs no user for that.
  private static let listSeconds = 10
  /// How long the agent may take to sign, in seconds: the user may have to confirm it, or to touch a
  /// security key.
  private static let signSeconds = 120

  /// Connects to the agent that listens at `path`.
  ///
  /// - Throws: `KeyError` if no agent listens there.
  package init(at path: String) throws(KeyError) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    guard !path.isEmpty, path.utf8.count < room, !path.utf8.contains(0) else {
      throw KeyError("the path of the ssh-agent's socket is empty or too long (SSH_AUTH_SOCK)")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let socket = Glibc.socket(AF_UNIX, type, 0)
    guard socket >= 0 else {
      throw KeyError("cannot make a socket for the ssh-agent: \(describe(errno: errno))")
    }
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard status == 0 else {
      let reason = describe(errno: errno)
      close(socket)
      throw KeyError("cannot connect to the ssh-agent at \(path): \(reason)")
    }
    // Set only now: if all properties are set, `deinit` runs for an `init` that throws, and would
    // close the descriptor a second time.
    self.socket = socket
  }

  deinit { close(socket) }

  /// The keys that the agent holds, in its order.
  ///
  /// - Throws: `KeyError`. Don't use the connection after that.
  package func identities() throws(KeyError) -> [AgentMessage.Identity] {
    try AgentMessage.identities(
      try exchange(AgentMessage.listRequest, seconds: Self.listSeconds))
  }

  /// Lets the agent sign `message` with `key` for the purpose `namespace`.
  ///
  /// - Throws: `KeyError` if the agent refuses or does not answer.
  package func sign(
    _ message: [UInt8], with key: SSHPublicKey, namespace: String
  ) throws(KeyError) -> SSHSignature {
    let data = SSHSignature.signedData(namespace: namespace, digest: .sha512, message: message)
    let answer = try exchange(
      AgentMessage.signRequest(data, with: key), seconds: Self.signSeconds)
    return SSHSignature(
      key: key, namespace: namespace, digest: .sha512,
      signature: try AgentMessage.signature(answer))
  }

  private func exchange(_ request: [UInt8], seconds: Int) throws(KeyError) -> [UInt8] {
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(socket, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    var sent = 0
    while sent < request.count {
      let count = request[sent...].withUnsafeBytes {
        // Without SIGPIPE if the agent has ended.
        send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure(seconds) }
      sent += count
    }
    let length = try AgentMessage.bodyLength(
      try read(AgentMessage.prefixLength, seconds: seconds))
    return try read(length, seconds: seconds)
  }

  private func read(_ length: Int, seconds: Int) throws(KeyError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: length)
    var taken = 0
    while taken < length {
      let count = bytes.withUnsafeMutableBytes { [taken] in
        Glibc.read(socket, $0.baseAddress! + taken, length - taken)
      }
      if count < 0 && errno == EINTR { continue }
      guard count != 0 else { throw KeyError("the ssh-agent closed the connection") }
      guard count > 0 else { throw failure(seconds) }
      taken += count
    }
    return bytes
  }

  private func failure(_ seconds: Int) -> KeyError {
    guard errno == EAGAIN else {
      return KeyError("cannot talk to the ssh-agent: \(describe(errno: errno))")
    }
    return KeyError("the ssh-agent did not answer within \(seconds) s")
  }
}
