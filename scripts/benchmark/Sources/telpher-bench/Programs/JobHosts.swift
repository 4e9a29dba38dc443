internal import Glibc

/// The processes that keep durable jobs. Such a process ends some time after its last job.
enum JobHosts {
  /// Those that keep the jobs of state folders in `folder`, which no other process may name in its
  /// arguments, except `others`.
  static func running(for folder: String, except others: [pid_t] = []) -> [pid_t] {
    ProcessMemory.processes(with: "\(folder)/").filter { !others.contains($0) }
  }

  /// Ends them and waits until they have ended, for at most 10 s.
  static func stop(for folder: String) {
    for pid in running(for: folder) { kill(pid, SIGTERM) }
    for _ in 0..<500 {
      if running(for: folder).isEmpty { return }
      usleep(20_000)
    }
  }
}
