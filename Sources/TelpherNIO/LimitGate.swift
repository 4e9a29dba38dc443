internal import CTelpherSys
internal import Glibc
internal import Subprocess
internal import TelpherProcess
internal import TelpherTransport

/// Starts a program with limits, for a library that can't set limits in the child before it
/// executes the program. The library starts a shell that stops itself. `open` sets the shell's
/// limits and continues it, and the shell then executes the program.
struct LimitGate {
  /// How long to wait between two checks whether the shell has stopped, in nanoseconds.
  private static let pause: UInt64 = 500_000

  private let request: SpawnRequest
  private let command: [SystemString]
  /// The group with the limits of the child's tree, if there are any.
  let limited: ResourceGroup?

  /// - Throws: `SpawnError` if the limits need a control group that can't be made.
  init(
    _ request: SpawnRequest, _ command: [SystemString], _ groups: ResourceGroups
  ) throws(SpawnError) {
    limited = try groups.make(for: request)
    self.request = request
    self.command = command
  }

  /// The shell.
  var program: SystemString { LimitShell.program }

  /// The shell's arguments.
  var arguments: Arguments {
    Arguments(LimitShell.arguments(for: command, program: request.program))
  }

  /// Waits until the shell `pid` has stopped, sets its limits and continues it.
  ///
  /// - Throws: `SpawnError` of stage `limit` or `resources`. The shell may still exist then; the
  ///   caller kills it.
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
    try request.open(limited, for: pid)
  }
}
