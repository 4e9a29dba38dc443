internal import CTelpherSys
internal import Glibc
package import TelpherTransport

/// A launch for which a library (uv_spawn) starts the process. This does the rest of what
/// `Launcher` does: the strings, the pipes, the mark, the tag and the tracking. Used by one thread.
///
/// The process does not start in a control group, so its tree is found by walks through /proc. Its
/// limits are set from outside.
package final class ForeignLaunch {
  /// The request.
  package let request: SpawnRequest

  private let launcher: Launcher
  private let image: LaunchImage
  private var pipes: StdioPipes
  private let mark: String?
  private let tag: UInt64?
  private let guardSlot: CommandGuard.Slot?
  private let limited: ResourceGroup?
  private var entry: ChildTable.Launch?

  /// Prepares the launch of `request`.
  ///
  /// - Throws: `SpawnError` if it can't be started.
  package init(_ request: SpawnRequest, by launcher: Launcher) throws(SpawnError) {
    try request.checkNotCanceled()
    let request = request.withLoginShell()
    try request.checkNeedsNoTerminal()
    launcher.children.waitForAbandoned()
    self.request = request
    self.launcher = launcher
    program = try request.limits.isEmpty ? ProgramSearch(request).find() : LimitShell.program
    mark = request.tracksTree ? ProcessTree.makeMark() : nil
    var started = request
    if !request.limits.isEmpty {
      // Search for the program here: our error message is better than the shell's.
      _ = try ProgramSearch(request).find()
      started.arguments = LimitShell.arguments(for: request.arguments, program: request.program)
      started.program = LimitShell.program
    }
    limited = try launcher.resources.make(for: request)
    image = try LaunchImage(started, mark: mark)
    pipes = try StdioPipes(request, null: launcher.nullDevice)
    tag = request.tracksTree ? launcher.tags.make() : nil
    guardSlot = try launcher.bookGuard(tag, nil)
    entry = launcher.children.willLaunch()
  }

  deinit {
    // Runs only if no process was started.
    guard let entry else { return }
    launcher.children.didLaunch(entry, nil)
    if let guardSlot { launcher.commandGuard?.free(guardSlot) }
  }

  /// The file to execute.
  package let program: SystemString
  /// The arguments. Valid while this object lives.
  package var arguments: UnsafePointer<UnsafeMutablePointer<CChar>?> { image.arguments }
  /// The environment. Valid while this object lives.
  package var environment: UnsafePointer<UnsafeMutablePointer<CChar>?> { image.environment }
  /// The descriptors that become 0, 1 and 2 in the child.
  package var stdio: (Int32, Int32, Int32) { pipes.child }

  /// Takes over the process that was started. If the request has limits, this blocks until the
  /// shell that was started has stopped itself, for about a millisecond.
  ///
  /// - Throws: `SpawnError`. The process was killed then.
  package func didStart(_ pid: Int32) throws(SpawnError) -> LaunchedProcess {
    guard let entry else { preconditionFailure("a launch starts one process") }
    launcher.children.didLaunch(entry, pid)
    self.entry = nil
    let descriptor = telpher_pidfd_open(pid)
    do throws(SpawnError) {
      guard descriptor >= 0 else { throw SpawnError(.resources, errno: -descriptor, of: request) }
      try limit(pid)
    } catch {
      kill(request.tracksTree ? -pid : pid, SIGKILL)
      kill(pid, SIGKILL)
      launcher.children.abandon(pid)
      if descriptor >= 0 { close(descriptor) }
      if let guardSlot { launcher.commandGuard?.free(guardSlot) }
      throw error
    }
    let tracking: ProcessTracking =
      request.tracksTree ? .tree(ProcessTree(leader: pid, mark: mark, tag: tag)) : .none
    let ours = pipes.takeOurs()
    return LaunchedProcess(
      pid: pid, pidDescriptor: descriptor, input: ours.input, output: ours.output,
      error: ours.error, isOnTerminal: false, tracking: tracking, limited: limited,
      guardSlot: guardSlot, launcher: launcher)
  }

  /// Sets the process's tag and limits, those of the launcher and of the request.
  ///
  /// - Throws: `SpawnError` with the step that failed.
  private func limit(_ pid: Int32) throws(SpawnError) {
    if let tag { launcher.tags.set(tag, of: pid) }
    // The launcher's own limit; if it can't be set, the process keeps this process's.
    for limit in launcher.ownLimits {
      _ = telpher_set_limit(pid, limit.resource, limit.soft, limit.hard)
    }
    guard !request.limits.isEmpty else { return }
    let result = telpher_await_stop(pid)
    guard result == 0 else { throw SpawnError(.limit, errno: -result, of: request) }
    try request.open(limited, for: pid)
  }
}

extension SpawnRequest {
  /// Sets the request's limits on the process `pid`, which has stopped before it executes its
  /// program, and continues it.
  ///
  /// - Parameter limited: The group with the limits of the whole tree, if there are any.
  /// - Throws: `SpawnError` of stage `limit` or `resources`.
  package func open(_ limited: ResourceGroup?, for pid: Int32) throws(SpawnError) {
    let error = limits.set(on: pid)
    guard error == 0 else { throw SpawnError(.limit, errno: error, of: self) }
    try limited?.enter(pid)
    kill(pid, SIGCONT)
  }
}

/// A shell that waits for its limits before it executes a program. For launches that can't set
/// limits in the child.
package enum LimitShell {
  /// The shell.
  package static let program: SystemString = "/bin/sh"

  /// The shell's arguments. It stops itself, and executes `command` when it is continued.
  ///
  /// - Parameter program: the file to execute, if it is not the first word of `command`, whose name
  ///   the program then does not get.
  package static func arguments(
    for command: [SystemString], program: SystemString? = nil
  ) -> [SystemString] {
    let command = program.map { [$0] + command.dropFirst() } ?? command
    return ["sh", "-c", #"kill -STOP $$; exec "$@""#, "sh"] + command
  }
}
