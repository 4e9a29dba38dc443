internal import CTelpherSys
internal import Glibc

/// What a program inherits from its parent besides variables, descriptors and the working directory,
/// as far as it can matter to what the program does.
enum ProcessAttributes {
  /// The number of limits: getrlimit(2).
  private static let limits: Int32 = 16

  /// The attributes of this process, in a fixed order: two processes with equal ones start equal
  /// programs.
  static var current: [String] {
    var texts = [
      "nice \(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0))", "umask \(umask ?? "")",
      groups,
    ]
    // Skip the limit of file locks: it is the tag of a server's command and differs for each
    // command.
    for number in 0..<limits where number != telpher_limit_locks {
      var (soft, hard): (UInt64, UInt64) = (0, 0)
      guard telpher_get_limit(number, &soft, &hard) == 0 else { continue }
      texts.append("limit \(number) \(soft) \(hard)")
    }
    // A name may mean another host in another network namespace, and a path another file in another
    // mount namespace.
    for kind in ["net", "mnt", "user", "pid", "uts", "ipc"] {
      texts.append(namespace(kind))
    }
    return texts
  }

  /// Whether this process belongs to a job of a server, which may end all of the job's processes at
  /// any time.
  ///
  /// - Parameter environment: this process's variables.
  static func isInJob(_ environment: [String: String]) -> Bool {
    // The tag and the mark by which a server recognizes them: docs/PROTOCOL.md, "How a command ends".
    var (soft, hard): (UInt64, UInt64) = (0, 0)
    let isTagged =
      telpher_get_limit(telpher_limit_locks, &soft, &hard) == 0 && (1 << 32..<1 << 62) ~= soft
    return isTagged || environment["TELPHER_JOB"] != nil
  }

  private static var groups: String {
    var ids = [gid_t](repeating: 0, count: max(0, Int(getgroups(0, nil))))
    let count = getgroups(Int32(ids.count), &ids)
    return "groups \(getegid()) \(ids.prefix(max(0, Int(count))).sorted())"
  }

  /// The mask of this process, without the change of it that umask(2) would need: proc_pid_status(5).
  private static var umask: Substring? {
    let file = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    // It is the second line.
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = read(file, &bytes, bytes.count)
    let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    return text.split(separator: "\n").first { $0.hasPrefix("Umask:") }?.dropFirst(6)
  }

  /// The namespace of this kind: namespaces(7).
  private static func namespace(_ kind: String) -> String {
    var bytes = [CChar](repeating: 0, count: 64)
    let count = readlink("/proc/self/ns/\(kind)", &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
