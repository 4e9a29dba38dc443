internal import CTelpherSys

/// Makes the tags by which the processes of a launch are known whatever they do to their environment,
/// session and parent. From any thread.
///
/// A tag is a number in the soft limit of file locks (RLIMIT_LOCKS, getrlimit(2)), which no kernel
/// since Linux 2.4 has looked at. A process inherits it, keeps it when it executes a program, and
/// every user can read it: /proc/PID/limits, proc(5). Only a process that sets this limit itself loses
/// it; so do logins by PAM (su(1)).
package final class ProcessTags: Sendable {
  private struct State {
    var last: UInt32 = 0
  }

  /// The hard limit, which stays as it is.
  package let hardLimit: UInt64
  /// The upper half of all tags; nil where the hard limit leaves no room for them.
  private let prefix: UInt64?
  private let state = Lock(State())

  /// Tags that no other process makes, but for an accident of one in a billion.
  package init() {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    let isKnown = telpher_get_limit(telpher_limit_locks, &soft, &hard) == 0
    hardLimit = hard
    // Below 2^62: "unlimited" is 2^64 - 1.
    prefix = isKnown && hard >= 1 << 62 ? UInt64.random(in: 1..<(1 << 30)) << 32 : nil
  }

  /// A tag that was not used before, or nil where this system has none.
  package func make() -> UInt64? {
    guard let prefix else { return nil }
    return state.withLock { state in
      state.last &+= 1
      return prefix | UInt64(state.last)
    }
  }

  /// Gives `tag` to the process `pid`, which has started already.
  package func set(_ tag: UInt64, of pid: Int32) {
    // A process without it is still found by its parents, session and environment.
    _ = telpher_set_limit(pid, telpher_limit_locks, tag, hardLimit)
  }
}
