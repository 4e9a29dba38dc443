internal import CTelpherSys
internal import Glibc
internal import Synchronization
public import TelpherTransport

/// Starts processes and can end all processes that come from one. May be used from any thread. A
/// server usually has one.
///
/// A launch shares memory with the child until the child executes its program (like vfork(2)). So
/// its cost does not grow with the server's memory.
public final class Launcher: Sendable {
  /// How the processes that come from one launch are tracked.
  public enum Scope: Sendable {
    /// By control groups if they are available, else like `descendants`.
    case automatic
    /// By one control group for each launch: `KillScope.cgroup`.
    case cgroup
    /// By walks through /proc: `KillScope.descendants`.
    case descendants
  }

  /// Whether the kernel has refused clone3(2). The next launches do not try it again: they use
  /// clone(2), and the child itself enters its control group.
  final class Clone3: Sendable {
    private let isRefused = Atomic(false)

    var mayWork: Bool { !isRefused.load(ordering: .relaxed) }

    func wasRefused() { isRefused.store(true, ordering: .relaxed) }
  }

  /// The children that were not waited for yet.
  let children = ChildTable()
  /// Kills the running commands if this process dies. Nil if that was not requested.
  let commandGuard: CommandGuard?
  let tags = ProcessTags()
  private let groups: ControlGroupPool?
  /// Makes the groups of commands with limits for their whole tree.
  let resources = ResourceGroups()
  let nullDevice: Int32
  private let softDescriptorLimit: UInt64?
  private let clone3 = Clone3()

  /// Creates a launcher.
  ///
  /// - Parameter scope: How processes are tracked.
  /// - Parameter softDescriptorLimit: The soft RLIMIT_NOFILE of children. Nil means this process's
  ///   own. A server that raised its own limit passes the previous value: programs that use
  ///   select(2), or that close every descriptor they may have open, expect the usual limit.
  /// - Parameter endsWithProcess: Whether tracked processes that were not released are killed if
  ///   this process is killed or crashes. A second process, the guard, does this; `shutDown()`
  ///   dismisses it.
  /// - Throws: `TransportError` if `scope` is `.cgroup` and control groups are not available (with
  ///   the reason), if /dev/null can't be opened, or if the guard can't be started.
  public init(
    scope: Scope = .automatic, softDescriptorLimit: UInt64? = nil, endsWithProcess: Bool = false
  ) throws(TransportError) {
    telpher_keep_child_status()
    let nullDevice = telpher_open_at(AT_FDCWD, "/dev/null", O_RDWR)
    guard nullDevice >= 0 else { throw TransportError("open /dev/null", errno: -nullDevice) }
    let groups: ControlGroupPool?
    do throws(TransportError) {
      groups =
        scope == .descendants
        ? nil : try Self.usableGroups(nullDevice: nullDevice, clone3)
    } catch {
      guard scope == .automatic else {
        close(nullDevice)
        throw error
      }
      groups = nil
    }
    do throws(TransportError) {
      commandGuard = endsWithProcess ? try CommandGuard(groups: groups?.folder) : nil
    } catch {
      close(nullDevice)
      groups?.shutDown()
      throw error
    }
    self.nullDevice = nullDevice
    self.groups = groups
    self.softDescriptorLimit = softDescriptorLimit
  }

  deinit { close(nullDevice) }

  /// Which processes `LaunchedProcess.signalTree(_:)` reaches.
  public var killScope: KillScope { groups == nil ? .descendants : .cgroup }

  /// The limits that this launcher can enforce.
  public var enforceableLimits: Set<ResourceLimit.Kind> {
    ResourceLimit.Kind.ofProcesses.union(resources.kinds)
  }

  /// Starts a process. Blocks the calling thread until the child has executed its program, for
  /// about 0.3 ms.
  ///
  /// - Returns: The running process. The caller closes its descriptors.
  /// - Throws: `SpawnError` with the step that failed. Nothing is left of the launch then. `EMFILE`
  ///   and `EAGAIN` in stage `resources` are temporary.
  package func launch(_ request: SpawnRequest) throws(SpawnError) -> LaunchedProcess {
    try request.checkNotCanceled()
    let request = request.withLoginShell()
    do throws(SpawnError) {
      return try attempt(request)
    } catch {
      // This launcher may have caused the failure: its idle groups hold descriptors, or a command
      // has configured a group so that it refuses the next command. A second attempt with a new
      // group may succeed.
      guard error.stage == .resources, let groups else { throw error }
      groups.discardIdle()
      return try attempt(request)
    }
  }

  /// Removes the empty control groups and dismisses the guard. Processes that still run keep
  /// running. Call it once, after the last launch.
  public func shutDown() {
    commandGuard?.dismiss()
    groups?.shutDown()
    resources.shutDown()
    children.waitForAbandoned()
  }

  private func attempt(_ request: SpawnRequest) throws(SpawnError) -> LaunchedProcess {
    children.waitForAbandoned()
    let limited = try resources.make(for: request)
    let limitedGroup = try limited?.controlGroup()
    let mark =
      request.tracksTree && groups == nil && limitedGroup == nil ? ProcessTree.makeMark() : nil
    let image = try LaunchImage(request, mark: mark)
    var pipes = try StdioPipes(request, null: nullDevice)
    let group = if let limitedGroup { limitedGroup } else { try acquireGroup(for: request) }
    let tag = request.tracksTree ? tags.make() : nil
    let guardSlot = try bookGuard(tag, group)

    let launch = children.willLaunch()
    let launched: telpher_launched
    do throws(SpawnError) {
      launched = try Self.launch(
        image, stdio: pipes.child, group: group, limited: limited, directory: request.directory,
        apart: Self.apart(request, group), tag: (tag ?? 0, tags.hardLimit),
        limits: limits(for: request), niceness: request.limits.niceness, clone3)
    } catch {
      children.didLaunch(launch, nil)
      if let guardSlot { commandGuard?.free(guardSlot) }
      if let group { giveBack(group) }
      throw error
    }
    children.didLaunch(launch, launched.pid > 0 ? launched.pid : nil)
    guard launched.stage == TELPHER_STAGE_NONE else {
      let error = SpawnError(launched, request)
      if let guardSlot { commandGuard?.free(guardSlot) }
      if let group {
        if error.stage == .resources { discard(group) } else { giveBack(group) }
      }
      throw error
    }
    let tracking: ProcessTracking =
      if request.tracksTree, let group {
        .group(group, ProcessTree(leader: launched.pid, mark: nil, tag: tag))
      } else if let mark {
        .tree(ProcessTree(leader: launched.pid, mark: mark, tag: tag))
      } else {
        .none
      }
    let ours = pipes.takeOurs()
    return LaunchedProcess(
      pid: launched.pid, pidDescriptor: launched.pid_descriptor, input: ours.input,
      output: ours.output, error: ours.error, isOnTerminal: request.terminal != nil,
      tracking: tracking, limited: limited, guardSlot: guardSlot, launcher: self)
  }

  /// Registers a process that is about to be started with the guard.
  func bookGuard(
    _ tag: UInt64?, _ group: ControlGroup?
  ) throws(SpawnError) -> CommandGuard.Slot? {
    guard let commandGuard, let tag else { return nil }
    if let slot = commandGuard.book(tag, group: group?.number) { return slot }
    if let group { giveBack(group) }
    throw .guardIsFull
  }

  private func acquireGroup(for request: SpawnRequest) throws(SpawnError) -> ControlGroup? {
    guard request.tracksTree, let groups else { return nil }
    do {
      return try groups.acquire()
    } catch {
      throw SpawnError(
        stage: .resources, errno: error.value,
        message: "cannot create a control group: \(describe(errno: error.value))")
    }
  }

  /// The limits that this launcher sets for each child.
  var ownLimits: [telpher_limit] {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    guard let softDescriptorLimit, telpher_get_limit(telpher_limit_nofile, &soft, &hard) == 0 else {
      return []
    }
    return [
      telpher_limit(
        resource: telpher_limit_nofile, soft: min(softDescriptorLimit, hard), hard: hard)
    ]
  }

  /// The limits of getrlimit(2) to set for a child. The request's own come last, so that they win.
  private func limits(for request: SpawnRequest) -> [telpher_limit] {
    var limits = ownLimits
    for limit in request.limits {
      if let limit = limit.forProcess { limits.append(limit) }
    }
    return limits
  }

  /// Returns the group of a finished process to the pool. A group with limits does not come from
  /// there.
  func giveBack(_ group: ControlGroup) {
    if group.number != nil { groups?.giveBack(group) }
  }

  private func discard(_ group: ControlGroup) {
    if group.number != nil { groups?.discard(group) }
  }

  /// Creates the pool and tests it by starting a child in a group. No other check covers everything
  /// that may forbid that.
  private static func usableGroups(
    nullDevice: Int32, _ clone3: Clone3
  ) throws(TransportError) -> ControlGroupPool {
    let pool = try ControlGroupPool(idleLimit: ControlGroupPool.idleLimitByDescriptors())
    let failure: Int32
    do {
      let group = try pool.acquire()
      // This program can't exist, so the child gets as far as execve(2) and fails there.
      let image = try LaunchImage(SpawnRequest(arguments: ["/dev/null/"], environment: [:]))
      let launched = try launch(
        image, stdio: (nullDevice, nullDevice, nullDevice), group: group, limited: nil,
        directory: nil, apart: TELPHER_APART_GROUP, tag: (0, 0), limits: [], niceness: nil, clone3)
      failure = launched.stage == TELPHER_STAGE_EXECUTE ? 0 : launched.error
      pool.giveBack(group)
    } catch let error as ErrorNumber {
      failure = error.value
    } catch {
      preconditionFailure("the request above has no string that can't be passed on")
    }
    guard failure == 0 else {
      throw TransportError("start a process in a control group", errno: failure)
    }
    return pool
  }

  /// How the child is separated from this process's session and process group.
  ///
  /// A control group holds every process that comes from the child. Without one, a session of its
  /// own helps to find them. A session has a price: if the system's scheduler shares the processors
  /// among sessions (sched(7), "The autogroup feature"), many short sessions delay each other by up
  /// to a second.
  private static func apart(_ request: SpawnRequest, _ group: ControlGroup?) -> telpher_apart {
    if request.terminal != nil { return TELPHER_APART_SESSION_WITH_TERMINAL }
    if request.tracksTree { return group == nil ? TELPHER_APART_SESSION : TELPHER_APART_GROUP }
    return request.leadsGroup ? TELPHER_APART_GROUP_WITH_TERMINAL : TELPHER_APART_NOTHING
  }

  private static func launch(
    _ image: borrowing LaunchImage, stdio: (Int32, Int32, Int32), group: ControlGroup?,
    limited: ResourceGroup?, directory: SystemString?, apart: telpher_apart, tag: (UInt64, UInt64),
    limits: [telpher_limit], niceness: Int32?, _ clone3: Clone3
  ) throws(SpawnError) -> telpher_launched {
    var request = telpher_launch(
      candidates: image.candidates, arguments: image.arguments,
      script_arguments: image.scriptArguments, environment: image.environment,
      directory: nil, stdio: stdio,
      control_group: group?.folder ?? -1, entrances: nil, entrance_count: 0,
      apart: apart,
      avoids_clone3: clone3.mayWork ? 0 : 1, limits: nil,
      limit_count: limits.count, sets_niceness: niceness == nil ? 0 : 1, niceness: niceness ?? 0,
      tag: tag.0, tag_limit: tag.1)
    func launch(_ entrances: UnsafeBufferPointer<Int32>?) -> telpher_launched {
      request.entrances = entrances?.baseAddress
      request.entrance_count = entrances?.count ?? 0
      let launched = limits.withUnsafeBufferPointer { limits in
        request.limits = limits.baseAddress
        guard let directory else { return telpher_launch(&request) }
        return directory.withCString { directory in
          request.directory = directory
          return telpher_launch(&request)
        }
      }
      if launched.clone3_refused != 0 { clone3.wasRefused() }
      return launched
    }
    guard let limited else { return launch(nil) }
    return try limited.withEntrances(all: false, launch)
  }
}

extension SpawnRequest {
  /// Checks that the caller has not canceled the request.
  ///
  /// - Throws: `SpawnError` with `ECANCELED` if it has.
  package func checkNotCanceled() throws(SpawnError) {
    guard isCanceled?() == true else { return }
    throw SpawnError(.resources, errno: ECANCELED, of: self)
  }
}

extension SpawnError {
  /// The error of a failed launch of `request`.
  fileprivate init(_ launched: telpher_launched, _ request: SpawnRequest) {
    let stage: Stage =
      switch launched.stage {
      case TELPHER_STAGE_DIRECTORY: .directory
      case TELPHER_STAGE_LIMIT: .limit
      case TELPHER_STAGE_EXECUTE: .execute
      default: .resources
      }
    self.init(stage, errno: launched.error, of: request)
  }

  /// The error of a launch for which the guard has no place.
  package static var guardIsFull: SpawnError {
    SpawnError(
      stage: .resources, errno: EAGAIN,
      message: "\(CommandGuard.limit) commands are already running, or the server is shutting down"
    )
  }

  /// The error `number` of errno(3) in `stage` of starting `request`.
  package init(_ stage: Stage, errno number: Int32, of request: SpawnRequest) {
    let attempt =
      switch stage {
      case .resources: "cannot start a process"
      case .directory: "cannot enter '\(request.directory?.description ?? "")'"
      case .limit: "cannot set \(request.limitsThatFailed)"
      case .execute:
        "cannot run '\((request.program ?? request.arguments.first)?.description ?? "")'"
      }
    self.init(stage: stage, errno: number, message: "\(attempt): \(describe(errno: number))")
  }
}
