import Glibc
import TelpherProcess
import TelpherTestSupport
import TelpherTransport
import Testing

/// A program that a test starts without a server, and that ends with the test.
final class LocalProgram {
  private let process: LaunchedProcess
  private var unread: [UInt8] = []

  private static let launcher = Result { try Launcher() }

  /// Starts `arguments`. The test reads its standard output; its standard error is that of the
  /// tests.
  init(_ arguments: [String], environment: [String: String] = [:]) throws {
    // No background process of the program outlives it.
    var variables = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TELPHER_KEEP": "0"]
    // The sanitizer's options that scripts/test sets apply to the programs too.
    if let options = getenv("TSAN_OPTIONS") { variables["TSAN_OPTIONS"] = String(cString: options) }
    variables.merge(environment) { $1 }
    process = try Self.launcher.get().launch(
      SpawnRequest(arguments: arguments, environment: variables, error: .inherit))
  }

  /// Ends the program and all its processes.
  deinit {
    process.signalTree(SIGKILL)
    // Wait only for the program's own exit, which SIGKILL ensures.
    while process.reap() == nil { usleep(1_000) }
    process.release()
    close(process.pidDescriptor)
    if let output = process.output { close(output) }
  }

  var view: ProcessView { ProcessView(pid: process.pid) }

  /// Its exit status; nil while it runs.
  var exit: ProcessExit.Status? { process.reap()?.status }

  func signal(_ number: Int32) { kill(process.pid, number) }

  /// Waits for the next line of its standard output.
  func line() async throws -> String {
    var line: String?
    try await eventually("a line from a program") {
      try readMore()
      guard let end = unread.firstIndex(of: UInt8(ascii: "\n")) else { return exit != nil }
      line = String(decoding: unread[..<end], as: UTF8.self)
      unread.removeFirst(end + 1)
      return true
    }
    struct NoLine: Error {}
    guard let line else { throw NoLine() }
    return line
  }

  /// Reads the rest of its standard output, as lines, and waits for its end.
  func end() async throws -> (exit: ProcessExit.Status, output: [String]) {
    var status: ProcessExit.Status?
    try await eventually("the end of a program") {
      status = exit
      while try readMore() {}
      return status != nil
    }
    guard let status else { preconditionFailure("the condition above has set it") }
    let lines = unread.split(separator: UInt8(ascii: "\n"))
    unread = []
    return (status, lines.map { String(decoding: $0, as: UTF8.self) })
  }

  /// Reads what has arrived; returns whether anything has.
  @discardableResult
  private func readMore() throws -> Bool {
    let more = [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
      count = max(0, read(process.output ?? -1, buffer.baseAddress, buffer.count))
    }
    unread += more
    return !more.isEmpty
  }
}
