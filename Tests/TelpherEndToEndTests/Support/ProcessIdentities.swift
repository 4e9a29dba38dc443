import Glibc

/// Processes by id and start time, because the system reuses ids.
struct ProcessIdentities {
  private let processes: [(pid: Int32, startTime: Substring)]

  /// The running processes that have `mark` in their arguments.
  init(marked mark: String) {
    processes = ProcessView.marked(mark).compactMap { pid in
      Self.startTime(of: pid).map { (pid, $0) }
    }
  }

  /// How many of them still run; zombies do not count.
  var count: Int { processes.count { Self.startTime(of: $0.pid) == $0.startTime } }

  /// Ends those that still run.
  func kill() {
    for process in processes where Self.startTime(of: process.pid) == process.startTime {
      Glibc.kill(process.pid, SIGKILL)
    }
  }

  /// When a process started, in the ticks of proc(5); nil if it has ended.
  private static func startTime(of pid: Int32) -> Substring? {
    let fields = text("/proc/\(pid)/stat").split(separator: ")").last?.split(separator: " ") ?? []
    return fields.count > 19 && fields[0] != "Z" ? fields[19] : nil
  }
}
