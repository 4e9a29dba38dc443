internal import Dispatch
internal import Glibc
internal import Synchronization

/// The programs that were started and not yet waited for, so that all can be ended.
enum RunningPrograms {
  private static let pids = Mutex<Set<pid_t>>([])

  static func add(_ pid: pid_t) { pids.withLock { _ = $0.insert(pid) } }

  static func remove(_ pid: pid_t) { pids.withLock { _ = $0.remove(pid) } }

  /// Sends SIGTERM to each of them, without waiting for their end.
  static func endAll() {
    pids.withLock { pids in
      for pid in pids { kill(pid, SIGTERM) }
    }
  }

  /// Handles SIGINT and SIGTERM: ends all programs, calls `cleanUp`, and ends this process.
  ///
  /// - Returns: the signal sources; the caller must keep them.
  static func endOnSignals(_ cleanUp: @escaping @Sendable () -> Void) -> [any DispatchSourceSignal]
  {
    [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        endAll()
        cleanUp()
        _exit(128 + number)
      }
      source.resume()
      return source
    }
  }
}
