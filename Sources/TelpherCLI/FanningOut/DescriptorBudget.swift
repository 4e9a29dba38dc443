internal import Glibc
internal import TelpherClient

/// How many hosts can be connected at once with the descriptors that this process may open.
enum DescriptorBudget {
  /// What one host needs: a program that carries the connection has two pipes, one for its messages
  /// and a pidfd, and their other ends while it is started; a transfer has a file and folders.
  private static let perHost = 10
  /// What the process needs itself: standard streams, the loop, temporary files, libraries.
  private static let own = 32

  /// The largest width up to `wanted` that is possible. It raises the soft limit if that helps, and
  /// says if the width is smaller than wanted.
  static func width(_ wanted: Int) -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return wanted }
    let needed = rlim_t(wanted * perHost + own)
    if limit.rlim_cur < needed, limit.rlim_cur < limit.rlim_max {
      var raised = limit
      raised.rlim_cur = min(needed, limit.rlim_max)
      if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
    }
    guard limit.rlim_cur < needed else { return wanted }
    let possible = max(1, (Int(clamping: limit.rlim_cur) - own) / perHost)
    guard possible < wanted else { return wanted }
    Descriptor.complain(
      "at most \(Amount.count(possible, "host")) at once instead of \(wanted): this process may open only \(limit.rlim_cur) descriptors (ulimit -n)"
    )
    return possible
  }
}
