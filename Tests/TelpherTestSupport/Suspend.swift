internal import Glibc

/// Stops a process with SIGSTOP and waits until all of its threads have stopped. Each of them stops only
/// when it is scheduled, so on a busy machine a process runs on for a while.
///
/// - Throws: `NotInTime` if it does not stop.
package func suspend(_ process: Int32) async throws {
  kill(process, SIGSTOP)
  try await eventually("process \(process) is stopped") {
    let threads = entries(of: "/proc/\(process)/task")
    return !threads.isEmpty
      && threads.allSatisfy { state(of: "/proc/\(process)/task/\($0)/stat") == "T" }
  }
}

/// The names in a folder of /proc; none if the process has ended.
private func entries(of folder: String) -> [String] {
  guard let stream = opendir(folder) else { return [] }
  defer { closedir(stream) }
  var names: [String] = []
  while let entry = readdir(stream) {
    let name = withUnsafeBytes(of: entry.pointee.d_name) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    if !name.hasPrefix(".") { names.append(name) }
  }
  return names
}

/// The state of a thread, from its `stat` (proc_pid_stat(5)): the letter after the name in parentheses.
private func state(of file: String) -> Character? {
  guard let text = Sandbox.text(file), let end = text.lastIndex(of: ")") else { return nil }
  return text[end...].dropFirst(2).first
}
