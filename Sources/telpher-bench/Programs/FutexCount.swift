internal import Glibc

/// Counts the futex(2) calls of a process, the sign of threads that wait for each other, by strace.
enum FutexCount {
  /// Why they can't be counted; nil where they can.
  static var absence: String? { Tool.find("strace") == nil ? "strace is not installed" : nil }

  /// Counts those of `program` and its threads, not of its children, while `body` runs.
  ///
  /// - Throws: what `body` throws; `Failure` where strace may not look.
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
      // % time, seconds, usecs/call, calls, errors (if any), syscall
      if fields.last == "futex", fields.count >= 5, let calls = Int(fields[3]) { return calls }
    }
    return 0
  }
}
