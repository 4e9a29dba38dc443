internal import CTelpherSys
internal import TelpherTransport

/// Makes tags. The processes of a launch are recognized by their tag even if they change their
/// environment, session and parent. May be used from any thread.
///
/// A tag is a number in the soft limit of file locks (RLIMIT_LOCKS, getrlimit(2)), which no kernel
/// since Linux 2.4 enforces. A process inherits it and keeps it when it executes a program, and
/// every user can read it: /proc/PID/limits, proc(5). A process loses its tag only if it sets this
/// limit itself, as logins by PAM (su(1)) do.
package final class ProcessTags: Sendable {
  private struct State {
    var last: UInt32 = 0
  }

  /// The hard limit of file locks, which is not changed.
  package let hardLimit: UInt64
  /// The upper half of all tags of this object. Nil if the hard limit leaves no room for tags.
  private let prefix: UInt64?
  private let state = Monitor(State())

  /// Creates a source of tags. Another process has the same tags with a probability of about one in
  /// a billion.
  package init() {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    let isKnown = telpher_get_limit(telpher_limit_locks, &soft, &hard) == 0
    hardLimit = hard
    // Below 2^62: "unlimited" is 2^64 - 1.
    prefix = isKnown && hard >= 1 << 62 ? UInt64.random(in: 1..<(1 << 30)) << 32 : nil
  }

  /// Returns a new tag, or nil if the hard limit leaves no room for tags.
  package func make() -> UInt64? {
    guard let prefix else { return nil }
    return state.withLock { state in
      state.last &+= 1
      return prefix | UInt64(state.last)
    }
  }

  /// Sets `tag` on the process `pid`, which runs already.
  package func set(_ tag: UInt64, of pid: Int32) {
    // If this fails, the process is still found by its parent, session and environment.
    _ = telpher_set_limit(pid, telpher_limit_locks, tag, hardLimit)
  }
}
