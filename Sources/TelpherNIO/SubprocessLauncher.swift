internal import CTelpherSys
internal import Glibc
internal import Subprocess
internal import SystemPackage
internal import TelpherSystem
public import TelpherTransport

/// Starts processes by swift-subprocess. From any thread; usually one for a server.
///
/// What swift-subprocess 1.0 can't do, and what is done instead:
/// - Put a child into a control group, or run anything in it before its program: trees are found by
///   walks (`KillScope.descendants`), by a mark in the environment.
/// - Set limits. A request that has some starts /bin/sh, which stops itself, gets the limits from
///   outside and then executes the program: what can't be executed was looked for before, and what
///   still fails is the shell's status 126 or 127.
/// - Give a child another soft limit of descriptors than this process's: it is set from outside, some
///   ten microseconds after the program began.
/// - Tell a child's exit before it is waited for, and what it used: the pidfd is watched here too, and
///   the body of swift-subprocess's `run` does not return before the child may be forgotten.
/// - Give a child its tag (`ProcessTags`) before it begins: it is set from outside, so that a process
///   that leaves its parents within the first moments is not ended with a server that is killed, and
///   gets away from a deadline if it clears its environment as well.
/// - Pass on an environment variable whose name begins with a digit: that is refused.
/// - Say which file of PATH could not be executed, or why: the search is done here.
/// - Come back from a first launch without descriptors: a child is run at the start. Nor does it see
///   the end of one whose pidfd could not be opened: there is a check before, and a child that it
///   misses is killed and told as not started, but swift-subprocess's task for it is lost.
/// - More than one launch at a time in a process: they wait for each other, on its one thread.
public final class SubprocessLauncher: Sendable {
  /// The children that were not waited for.
  let children = ChildTable()
  /// Tells when they have ended.
  let exits: ExitHub
  /// /dev/null, for reading and writing.
  let nullDevice: Int32
  /// The soft RLIMIT_NOFILE that children get; nil for ours.
  let softDescriptorLimit: UInt64?
  /// Tells the processes of a child from others.
  let tags = ProcessTags()
  /// Ends the running commands if this process ends without saying so.
  let commandGuard: CommandGuard?

  /// A launcher.
  ///
  /// - Parameter softDescriptorLimit: The soft RLIMIT_NOFILE that children get; nil for ours.
  /// - Parameter endsWithProcess: as of `Launcher`.
  /// - Throws: `TransportError` where descriptors, processes or threads ran out, or /dev/null can't be
  ///   opened.
  public init(
    softDescriptorLimit: UInt64? = nil, endsWithProcess: Bool = false
  ) throws(TransportError) {
    commandGuard = endsWithProcess ? try CommandGuard(groups: nil) : nil
    telpher_keep_child_status()
    Self.warmUp
    nullDevice = telpher_open_at(AT_FDCWD, "/dev/null", O_RDWR)
    guard nullDevice >= 0 else { throw TransportError("open /dev/null", errno: -nullDevice) }
    self.softDescriptorLimit = softDescriptorLimit
    do {
      exits = try ExitHub()
    } catch {
      close(nullDevice)
      throw TransportError("watch for the ends of children", errno: error.value)
    }
  }

  /// Runs a first child, for swift-subprocess and Dispatch, by which it waits, to open what they need
  /// while descriptors are to be had: without, the one never tries again, and the other traps.
  private static let warmUp: Void = {
    _ = Task {
      _ = try? await Subprocess.run(
        .path("/bin/sh"), arguments: ["-c", ":"], output: .discarded, error: .discarded)
    }
  }()

  deinit {
    exits.end()
    close(nullDevice)
  }

  /// Dismisses the guard. Call it once, when no child is started any more.
  public func shutDown() { commandGuard?.dismiss() }

  /// How far the end of a child's tree reaches.
  public var killScope: KillScope { .descendants }

  /// Waits for children that have ended and that this process did not start: see
  /// `Launcher.reapOrphans()`. The status of a child of this launcher is never taken.
  ///
  /// - Returns: whether it is to be called again soon.
  public func reapOrphans() -> Bool {
    children.reapOrphans()
  }
}
