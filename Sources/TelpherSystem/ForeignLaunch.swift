internal import CTelpherSys
internal import Glibc
package import TelpherTransport

/// A launch whose process a library starts (uv_spawn), with all that `Launcher` does around it: the
/// strings, the pipes, the marks and the tracking. Of one thread.
///
/// Such a process starts in no control group: its tree is found by walks. Its limits are set from
/// outside.
package final class ForeignLaunch {
  /// What to start.
  package let request: SpawnRequest

  private let launcher: Launcher
  private let image: LaunchImage
  private var pipes: StdioPipes
  private let mark: String?
  private let tag: UInt64?
  private let guardSlot: CommandGuard.Slot?
  private var entry: ChildTable.Launch?

  /// Prepares the launch of `request`.
  ///
  /// - Throws: `SpawnError` where it can't be started.
  package init(_ request: SpawnRequest, by launcher: Launcher) throws(SpawnError) {
    try request.checkIsWanted()
    launcher.children.waitForAbandoned()
    self.request = request
    self.launcher = launcher
    program = try request.limits.isEmpty ? ProgramSearch(request).find() : LimitShell.program
    mark = request.tracksTree ? ProcessTree.makeMark() : nil
    var started = request
    if !request.limits.isEmpty {
      // What can't be started is better said by us than by the shell.
      _ = try ProgramSearch(request).find()
      started.arguments = LimitShell.arguments(for: request.arguments)
    }
    image = try LaunchImage(started, mark: mark)
    pipes = try StdioPipes(request, null: launcher.nullDevice)
    tag = request.tracksTree ? launcher.tags.make() : nil
    guardSlot = try launcher.bookGuard(tag, nil)
    entry = launcher.children.willLaunch()
  }

  deinit {
    // It was not started.
    guard let entry else { return }
    launcher.children.didLaunch(entry, nil)
    if let guardSlot { launcher.commandGuard?.free(guardSlot) }
  }

  /// The file to execute.
  package let program: SystemString
  /// The arguments, for as long as this object lives.
  package var arguments: UnsafePointer<UnsafeMutablePointer<CChar>?> { image.arguments }
  /// The environment, for as long as this object lives.
  package var environment: UnsafePointer<UnsafeMutablePointer<CChar>?> { image.environment }
  /// What becomes 0, 1 and 2 in the child.
  package var stdio: (Int32, Int32, Int32) { pipes.child }

  /// Takes the process that was started. Where the request has limits, this waits until the shell that
  /// was started has stopped itself, for about a millisecond.
  ///
  /// - Throws: `SpawnError`; the process was killed then.
  package func didStart(_ pid: Int32) throws(SpawnError) -> LaunchedProcess {
    guard let entry else { preconditionFailure("a launch starts one process") }
    launcher.children.didLaunch(entry, pid)
    self.entry = nil
    let descriptor = telpher_pidfd_open(pid)
    let failure = descriptor < 0 ? (SpawnError.Stage.resources, -descriptor) : limit(pid)
    if let (stage, number) = failure {
      kill(request.tracksTree ? -pid : pid, SIGKILL)
      kill(pid, SIGKILL)
      launcher.children.abandon(pid)
      if descriptor >= 0 { close(descriptor) }
      if let guardSlot { launcher.commandGuard?.free(guardSlot) }
      throw SpawnError(stage, errno: number, of: request)
    }
    let tracking: ProcessTracking =
      request.tracksTree ? .tree(ProcessTree(leader: pid, mark: mark, tag: tag)) : .none
    let ours = pipes.takeOurs()
    return LaunchedProcess(
      pid: pid, pidDescriptor: descriptor, input: ours.input, output: ours.output,
      error: ours.error, tracking: tracking, guardSlot: guardSlot, launcher: launcher)
  }

  /// Sets the process's tag, and the limits of the launcher and the request.
  private func limit(_ pid: Int32) -> (SpawnError.Stage, Int32)? {
    if let tag { launcher.tags.set(tag, of: pid) }
    if !request.limits.isEmpty {
      let result = telpher_await_stop(pid)
      guard result == 0 else { return (.limit, -result) }
    }
    for limit in launcher.limits(for: request) {
      let result = telpher_set_limit(pid, limit.resource, limit.soft, limit.hard)
      guard result == 0 || request.limits.isEmpty else { return (.limit, -result) }
    }
    if !request.limits.isEmpty { kill(pid, SIGCONT) }
    return nil
  }
}

/// A shell that waits for its limits before it executes a program: for launches that can't set limits
/// in the child.
package enum LimitShell {
  /// What is started in the program's place.
  package static let program: SystemString = "/bin/sh"

  /// Its arguments: it stops itself, and executes `command` when it goes on.
  package static func arguments(for command: [SystemString]) -> [SystemString] {
    ["sh", "-c", #"kill -STOP $$; exec "$@""#, "sh"] + command
  }
}
