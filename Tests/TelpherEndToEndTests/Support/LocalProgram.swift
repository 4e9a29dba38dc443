import Glibc
import TelpherSystem
import TelpherTestSupport
import TelpherTransport
import Testing

/// A program that a test starts itself, not through a server, and which is gone when the test is.
final class LocalProgram {
  private let process: LaunchedProcess
  private var unread: [UInt8] = []

  private static let launcher = Result { try Launcher() }

  /// Starts `arguments`; its standard output is to be read, its standard error is the tests'.
  init(_ arguments: [String], environment: [String: String] = [:]) throws {
    var variables = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
    // What scripts/test tells the sanitizer holds for the programs as well.
    if let options = getenv("TSAN_OPTIONS") { variables["TSAN_OPTIONS"] = String(cString: options) }
    variables.merge(environment) { $1 }
    process = try Self.launcher.get().launch(
      SpawnRequest(arguments: arguments, environment: variables, error: .inherit))
  }

  /// Ends it with all that came from it.
  deinit {
    process.signalTree(SIGKILL)
    // Only its own end, which SIGKILL makes sure of, is waited for.
    while process.reap() == nil { usleep(1_000) }
    process.release()
    close(process.pidDescriptor)
    if let output = process.output { close(output) }
  }

  var view: ProcessView { ProcessView(pid: process.pid) }

  /// How it ended, once it has.
  var exit: ProcessExit.Status? { process.reap()?.status }

  func signal(_ number: Int32) { kill(process.pid, number) }

  /// The next line of its standard output.
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

  private func readMore() throws {
    let more = [UInt8](unsafeUninitializedCapacity: 4_096) { buffer, count in
      count = max(0, read(process.output ?? -1, buffer.baseAddress, buffer.count))
    }
    unread += more
  }
}
