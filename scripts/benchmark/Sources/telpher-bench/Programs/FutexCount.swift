internal import Glibc

/// Counts the futex(2) calls of a process with strace: they show how often threads wait for or wake
/// each other.
enum FutexCount {
  /// The reason why the calls cannot be counted; nil if they can.
  static var absence: String? { Tool.find("strace") == nil ? "strace is not installed" : nil }

  /// Counts the calls of all threads of `program`, without its children, while `body` runs.
  ///
  /// - Throws: what `body` throws; `Failure` if strace cannot trace the program.
  static func count(
    of program: Program, _ bench: Bench, while body: () async throws -> Void
  ) async throws -> Int {
    let file = bench.folder("strace-\(bench.names.next())")
    let strace = try Program(
      ["strace", "-f", "-c", "-e", "trace=futex", "-o", file, "-p", "\(program.pid)"],
      output: .null, error: .pipe)
    defer { strace.stop() }
    _ = try strace.readLine(after: "strace: Process ", within: 10)
    try await body()
    strace.stop(SIGINT)
    guard let table = readText(file) else { throw Failure("strace wrote no counts") }
    for line in table.split(separator: "\n") {
      let fields = line.split(separator: " ")
      // Columns: % time, seconds, usecs/call, calls, errors (if any), syscall.
      if fields.last == "futex", fields.count >= 5, let calls = Int(fields[3]) { return calls }
    }
    return 0
  }
}
