internal import CTelpherSys
internal import Glibc
internal import TelpherSockets
internal import TelpherTransport

/// Where a server waits for the process that takes its sockets over: a Unix socket without a file,
/// named `telpher-serve/PID/RANDOM`. The random number keeps other users from taking the name first;
/// both sides check each other's user (SO_PEERCRED).
enum HandOverPost {
  private static let prefix = "telpher-serve/"
  private static let type = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
  /// How many processes may wait to be accepted.
  private static let backlog: Int32 = 8
  /// The most posts that are asked. A user has a few servers.
  private static let maxPosts = 1_024

  /// Opens the post of this process.
  ///
  /// - Returns: the listening descriptor, or a negated errno.
  static func open() -> Int32 {
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { return -errno }
    var address = telpher_address()
    let random = String(UInt64.random(in: 0 ... .max), radix: 16)
    var status = telpher_abstract_address("\(prefix)\(getpid())/\(random)", &address)
    if status == 0 { status = telpher_bind(descriptor, &address) }
    if status == 0, listen(descriptor, backlog) != 0 { status = -errno }
    guard status == 0 else {
      close(descriptor)
      return status
    }
    return descriptor
  }

  /// Waits for the next process of this user, or of root, at a post.
  ///
  /// - Returns: nil if the post was shut down.
  static func accept(_ post: Int32) -> HandOverChannel? {
    while true {
      let descriptor = telpher_accept(post)
      switch descriptor {
      case -EINTR, -ECONNABORTED: continue
      case -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM:
        // Ask again when others may have freed some.
        usleep(100_000)
        continue
      default: break
      }
      guard descriptor >= 0 else { return nil }
      guard let channel = channel(descriptor) else { continue }
      return channel
    }
  }

  /// The servers of this user, each over a connection to its post.
  static func all() -> [HandOverChannel] {
    names().prefix(maxPosts).compactMap { name in
      let descriptor = socket(AF_UNIX, type | Int32(SOCK_NONBLOCK.rawValue), 0)
      guard descriptor >= 0 else { return nil }
      var address = telpher_address()
      guard telpher_abstract_address(name, &address) == 0,
        telpher_connect(descriptor, &address) == 0,
        // From now on its calls wait.
        telpher_set_status_flags(descriptor, 0) >= 0
      else {
        close(descriptor)
        return nil
      }
      return channel(descriptor)
    }
  }

  /// A channel over a connection; nil, with the connection closed, if the peer is another user's.
  private static func channel(_ descriptor: Int32) -> HandOverChannel? {
    var (uid, pid): (UInt32, Int32) = (.max, 0)
    guard telpher_peer_credentials(descriptor, &uid, &pid) == 0, uid == geteuid() else {
      close(descriptor)
      return nil
    }
    return HandOverChannel(descriptor, peer: pid)
  }

  /// The names of all posts in this network namespace: proc_pid_net(5).
  private static func names() -> [String] {
    guard let file = fopen("/proc/net/unix", "re") else { return [] }
    defer { fclose(file) }
    var names: Set<String> = []
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, file) > 0, let text = line {
      let fields = String(cString: text).split(whereSeparator: \.isWhitespace)
      guard let path = fields.last, path.hasPrefix("@" + prefix) else { continue }
      names.insert(String(path.dropFirst()))
    }
    return names.sorted()
  }
}
