internal import Dispatch
internal import Glibc
internal import Synchronization

/// All programs that were started and not waited for, so that none is left behind.
enum RunningPrograms {
  private static let pids = Mutex<Set<pid_t>>([])

  static func add(_ pid: pid_t) { pids.withLock { _ = $0.insert(pid) } }

  static func remove(_ pid: pid_t) { pids.withLock { _ = $0.remove(pid) } }

  /// Ends them all, each by its process id, without waiting.
  static func endAll() {
    pids.withLock { pids in
      for pid in pids { kill(pid, SIGTERM) }
    }
  }

  /// From now on SIGINT and SIGTERM end all programs, call `cleanUp`, and end this process.
  ///
  /// - Returns: what must be kept for that.
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
