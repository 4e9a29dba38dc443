internal import Glibc
internal import TelpherTransport

/// The state of the other end of a TCP connection, if that end is on this machine. It is read from
/// /proc/net/tcp and /proc/net/tcp6, proc(5).
///
/// Each line has columns separated by blanks: the second and third are `local_address` and
/// `rem_address` (hexadecimal `ADDRESS:PORT`); the fifth is the bytes that wait to be sent and to
/// be read (hexadecimal `SENT:READ`); the tenth is the inode, which is 0 once no process has the
/// socket open.
struct LoopbackPeer: Equatable, Sendable {
  /// Whether a process has the peer's socket open.
  var isOpen: Bool
  /// The bytes that the peer's program has not read: those that this end has not sent yet, and
  /// those that wait at the peer. The end of the stream counts as one byte.
  var unreadBytes: Int

  /// Finds the peer of the connection with `ports`. It reads from the kernel's memory, not from a
  /// disk.
  ///
  /// - Returns: nil if the peer is not on this machine, no longer exists, or /proc cannot be read.
  static func find(_ ports: TCPPorts) -> LoopbackPeer? {
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
      if let text = read(file), let peer = LoopbackPeer(of: ports, in: text) { return peer }
    }
    return nil
  }

  /// Finds the peer in the text of such a file.
  init?(of ports: TCPPorts, in text: String) {
    var peer: (unread: Int, inode: UInt64)?
    var unsent = 0
    for line in text.split(separator: "\n").dropFirst() {
      let columns = line.split(separator: " ")
      guard columns.count > 9, let local = Self.port(columns[1]),
        let remote = Self.port(columns[2])
      else { continue }
      let queues = columns[4].split(separator: ":").map { Int($0, radix: 16) ?? 0 }
      guard queues.count == 2 else { continue }
      if local == ports.peer, remote == ports.own {
        peer = (queues[1], UInt64(columns[9]) ?? 0)
      } else if local == ports.own, remote == ports.peer {
        unsent = queues[0]
      }
    }
    guard let peer else { return nil }
    self.init(isOpen: peer.inode != 0, unreadBytes: peer.unread + unsent)
  }

  private init(isOpen: Bool, unreadBytes: Int) {
    self.isOpen = isOpen
    self.unreadBytes = unreadBytes
  }

  private static func port(_ address: Substring) -> UInt16? {
    address.split(separator: ":").last.flatMap { UInt16($0, radix: 16) }
  }

  private static func read(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let count = Glibc.read(file, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
      bytes += buffer[..<count]
    }
  }
}

extension PulledStream {
  /// Whether a process on this machine still has the other end open. False if the system does not
  /// report it.
  var hasPeer: Bool {
    switch stream.peer {
    case .user(_, let pid):
      // The kernel does not report it for a Unix socket, but a process that has ended has no socket
      // open.
      pid > 0 && (kill(pid, 0) == 0 || errno == EPERM)
    case .network: stream.tcpPorts.flatMap { LoopbackPeer.find($0) }?.isOpen ?? false
    case .vsock, .passedOn, .inherited: false
    }
  }

  /// Whether this is a TCP connection.
  var isNetwork: Bool {
    if case .network = stream.peer { true } else { false }
  }

  /// Waits until the peer's program has read everything that was written, so that later bytes
  /// arrive in another read. If the system does not report this, it waits for `pause` nanoseconds.
  /// It never waits longer than `longest` nanoseconds.
  func waitUntilRead(
    on loop: any EventLoop, pause: UInt64, longest: UInt64
  ) async {
    guard let ports = stream.tcpPorts else { return await Self.wait(pause, on: loop) }
    let deadline = loop.now + longest
    while loop.now < deadline {
      guard let peer = LoopbackPeer.find(ports) else { return await Self.wait(pause, on: loop) }
      if peer.unreadBytes == 0 { return }
      await Self.wait(Self.pollInterval, on: loop)
    }
  }

  /// How often the kernel's table is read, in nanoseconds. The kernel has no event for this.
  private static let pollInterval: UInt64 = 5_000_000

  private static func wait(_ nanoseconds: UInt64, on loop: any EventLoop) async {
    let bell = Bell()
    var isOver = false
    let timer = loop.schedule(after: nanoseconds) {
      isOver = true
      bell.ring()
    }
    defer { timer.cancel() }
    while !isOver { await bell.wait() }
  }
}
