internal import CTelpherSys
internal import Glibc
internal import Subprocess
internal import TelpherSystem
internal import TelpherTransport

/// Starts a program with limits, where the process can't set them itself before it executes that: a
/// shell stops itself, is given the limits, and executes the program when it goes on.
struct LimitGate {
  /// How often it is looked whether the shell has stopped.
  private static let pause: UInt64 = 500_000

  private let request: SpawnRequest
  private let command: [SystemString]

  init(_ request: SpawnRequest, _ command: [SystemString]) {
    self.request = request
    self.command = command
  }

  /// What is started in the program's place.
  var program: SystemString { LimitShell.program }

  /// Its arguments.
  var arguments: Arguments { Arguments(LimitShell.arguments(for: command)) }

  /// Sets the limits of the shell `pid`, and lets it go on.
  ///
  /// - Throws: `SpawnError` of stage `limit`; the shell has stopped, or has ended.
  func open(_ pid: Int32, on loop: NIOLoop) async throws(SpawnError) {
    while true {
      let stopped = telpher_is_stopped(pid)
      if stopped == 1 { break }
      guard stopped == 0 else { throw SpawnError(.limit, errno: -stopped, of: request) }
      guard !loop.isClosing else { throw SpawnError(.limit, errno: ECANCELED, of: request) }
      await withCheckedContinuation { continuation in
        _ = loop.schedule(after: Self.pause) { continuation.resume() }
      }
    }
    for limit in request.limits {
      let result = telpher_set_limit(pid, limit.kind.number, limit.value, limit.value)
      guard result == 0 else { throw SpawnError(.limit, errno: -result, of: request) }
    }
    kill(pid, SIGCONT)
  }
}
