internal import CTelpherSys
internal import Glibc
internal import Subprocess
internal import SystemPackage
internal import TelpherProcess
public import TelpherTransport

/// Starts processes with swift-subprocess. May be used from any thread. A server usually has one.
///
/// swift-subprocess 1.0 lacks some features. This code replaces them as follows:
/// - Control groups, and code that runs in the child before its program: trees are found by walks
///   through /proc (`KillScope.descendants`), with a mark in the environment.
/// - Limits: a request with limits starts /bin/sh, which stops itself, gets its limits from
///   outside, and then executes the program. The program is looked up before that. If executing it
///   still fails, the child exits with the shell's status 126 or 127.
/// - A soft descriptor limit for children that differs from this process's limit: it is set from
///   outside, some ten microseconds after the program began.
/// - The exit of a child before it is waited for, and its resource usage: this code also watches
///   the pidfd, and the body of swift-subprocess's `run` returns only when the child may be
///   forgotten.
/// - A tag (`ProcessTags`) before the child begins: the tag is set from outside. A process that
///   clears its environment and leaves its parents in the first moments may not be found.
/// - Environment variables whose names begin with a digit: swift-subprocess refuses them.
/// - The name of the file in PATH that could not be executed, and the reason: this code does the
///   search.
/// - A first launch without free descriptors: one child is started when the launcher is created. A
///   child whose pidfd can't be opened would never be seen to end, so this code checks for
///   descriptors first. A child that this check misses is killed and reported as not started; the
///   task of swift-subprocess for it is lost.
/// - Launches in parallel: in one process they wait for each other, on the one thread of
///   swift-subprocess.
public final class SubprocessLauncher: Sendable {
  /// The children that were not waited for yet.
  let children = ChildTable()
  /// Reports when children have ended.
  let exits: ExitHub
  /// /dev/null, for reading and writing.
  let nullDevice: Int32
  /// The soft RLIMIT_NOFILE of children. Nil means this process's own.
  let softDescriptorLimit: UInt64?
  /// Makes the tags of children.
  let tags = ProcessTags()
  /// Makes the groups of commands with limits for their whole tree.
  let resources = ResourceGroups()
  /// Kills the running commands if this process dies. Nil if that was not requested.
  let commandGuard: CommandGuard?

  /// Creates a launcher.
  ///
  /// - Parameter softDescriptorLimit: The soft RLIMIT_NOFILE of children. Nil means this process's
  ///   own.
  /// - Parameter endsWithProcess: As in `Launcher`.
  /// - Throws: `TransportError` if descriptors, processes or threads ran out, or if /dev/null can't
  ///   be opened.
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

  /// Runs a first child, so that swift-subprocess and Dispatch, which it waits with, open the
  /// descriptors they need while some are free. Without this, swift-subprocess never tries again
  /// after a failure, and Dispatch traps.
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

  /// Dismisses the guard and removes the empty control groups. Call it once, after the last launch.
  public func shutDown() {
    commandGuard?.dismiss()
    resources.shutDown()
  }

  /// The limits that this launcher can enforce.
  public var enforceableLimits: Set<ResourceLimit.Kind> {
    ResourceLimit.Kind.ofProcesses.union(resources.kinds)
  }

  /// Which processes `signalTree` reaches.
  public var killScope: KillScope { .descendants }

  /// Waits for ended children that this process did not start: see `Launcher.reapOrphans()`. Never
  /// takes the status of a child of this launcher.
  ///
  /// - Returns: Whether to call this again soon.
  public func reapOrphans() -> Bool {
    children.reapOrphans()
  }
}
