internal import CTelpherSys
internal import Glibc
public import TelpherTransport

/// Starts processes, and knows how to end all that comes from one. From any thread; usually one for
/// a server.
///
/// A launch shares our memory with the child until the child executes its program (as vfork(2)
/// does), so that it costs the same however large the server has grown.
public final class Launcher: Sendable {
  /// How the processes that come from one launch are kept track of.
  public enum Scope: Sendable {
    /// By control groups where they can be had, else as `descendants`.
    case automatic
    /// By a control group for each: `KillScope.cgroup`.
    case cgroup
    /// By walks through /proc: `KillScope.descendants`.
    case descendants
  }

  /// What tests and measurements change about the way a launch is done.
  package struct Options: Sendable {
    /// Do as where clone3(2) is refused: the child itself enters its control group.
    package var withoutClone3 = false
    /// Keep this many idle control groups; nil for what the limit of descriptors allows.
    package var idleGroups: Int?
    package init(withoutClone3: Bool = false, idleGroups: Int? = nil) {
      self.withoutClone3 = withoutClone3
      self.idleGroups = idleGroups
    }
  }

  /// The children that were not waited for.
  let children = ChildTable()
  /// Ends the running commands if this process ends without saying so; nil where that is not wanted.
  let commandGuard: CommandGuard?
  let tags = ProcessTags()
  private let groups: ControlGroupPool?
  let nullDevice: Int32
  private let softDescriptorLimit: UInt64?
  private let options: Options

  /// A launcher that tracks as `scope` says.
  ///
  /// - Parameter softDescriptorLimit: The soft RLIMIT_NOFILE that children get; nil for ours. A
  ///   server that raised its own passes what it was before: programs that use select(2), or close
  ///   all they may have open, want the usual one.
  /// - Parameter endsWithProcess: Whether processes whose tree is tracked, and that were not released,
  ///   are ended if this process is killed or crashes: for a server. A second process sees to it, the
  ///   guard; it is dismissed by `shutDown()`.
  /// - Throws: `TransportError` where `scope` is `.cgroup` and control groups can't be had, with the
  ///   reason; where /dev/null can't be opened; and where no guard can be started.
  public convenience init(
    scope: Scope = .automatic, softDescriptorLimit: UInt64? = nil, endsWithProcess: Bool = false
  ) throws(TransportError) {
    try self.init(
      scope: scope, softDescriptorLimit: softDescriptorLimit, endsWithProcess: endsWithProcess,
      options: Options())
  }

  package init(
    scope: Scope, softDescriptorLimit: UInt64? = nil, endsWithProcess: Bool = false,
    options: Options
  ) throws(TransportError) {
    telpher_keep_child_status()
    let nullDevice = telpher_open_at(AT_FDCWD, "/dev/null", O_RDWR)
    guard nullDevice >= 0 else { throw TransportError("open /dev/null", errno: -nullDevice) }
    let groups: ControlGroupPool?
    do throws(TransportError) {
      groups =
        scope == .descendants
        ? nil : try Self.usableGroups(nullDevice: nullDevice, options: options)
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
    self.options = options
  }

  deinit { close(nullDevice) }

  /// How far `LaunchedProcess.signalTree(_:)` reaches.
  public var killScope: KillScope { groups == nil ? .descendants : .cgroup }

  /// Starts a process. It holds the calling thread until the child has executed its program, for
  /// about 0.3 ms.
  ///
  /// - Returns: the running process. The caller closes its descriptors.
  /// - Throws: `SpawnError` with the step that failed; nothing is left behind then. `EMFILE` and
  ///   `EAGAIN` in stage `resources` pass by themselves.
  public func launch(_ request: SpawnRequest) throws(SpawnError) -> LaunchedProcess {
    try request.checkIsWanted()
    do throws(SpawnError) {
      return try attempt(request)
    } catch {
      // Two failures may be of our own making: idle groups hold descriptors, and a command may have
      // configured its group so that it refuses the next one. With a new group it may go.
      guard error.stage == .resources, let groups else { throw error }
      groups.shedIdle()
      return try attempt(request)
    }
  }

  /// Removes the control groups where nobody is left; the others are left alone. Call it once, when
  /// nothing is launched any more.
  public func shutDown() {
    commandGuard?.dismiss()
    groups?.shutDown()
    children.waitForAbandoned()
  }

  private func attempt(_ request: SpawnRequest) throws(SpawnError) -> LaunchedProcess {
    children.waitForAbandoned()
    let mark = request.tracksTree && groups == nil ? ProcessTree.makeMark() : nil
    let image = try LaunchImage(request, mark: mark)
    var pipes = try StdioPipes(request, null: nullDevice)
    let group = try acquireGroup(for: request)
    let tag = request.tracksTree ? tags.make() : nil
    let guardSlot = try bookGuard(tag, group)

    let launch = children.willLaunch()
    let launched = Self.launch(
      image, stdio: pipes.child, group: group, directory: request.directory,
      apart: Self.apart(request, group), tag: (tag ?? 0, tags.hardLimit),
      limits: limits(for: request), options: options)
    children.didLaunch(launch, launched.pid > 0 ? launched.pid : nil)
    guard launched.stage == TELPHER_STAGE_NONE else {
      let error = SpawnError(launched, request)
      if let guardSlot { commandGuard?.free(guardSlot) }
      if let group {
        if error.stage == .resources { groups?.discard(group) } else { groups?.giveBack(group) }
      }
      throw error
    }
    let tracking: ProcessTracking =
      if let group {
        .group(group, ProcessTree(leader: launched.pid, mark: nil, tag: tag))
      } else if let mark {
        .tree(ProcessTree(leader: launched.pid, mark: mark, tag: tag))
      } else {
        .none
      }
    let ours = pipes.takeOurs()
    return LaunchedProcess(
      pid: launched.pid, pidDescriptor: launched.pid_descriptor, input: ours.input,
      output: ours.output, error: ours.error, tracking: tracking,
      guardSlot: guardSlot, launcher: self)
  }

  /// Has the guard know of a process that is about to be started.
  func bookGuard(
    _ tag: UInt64?, _ group: ControlGroup?
  ) throws(SpawnError) -> CommandGuard.Slot? {
    guard let commandGuard, let tag else { return nil }
    if let slot = commandGuard.book(tag, group: group?.number) { return slot }
    if let group { giveBack(group) }
    throw SpawnError(
      stage: .resources, errno: EAGAIN,
      message: "\(CommandGuard.limit) commands are running, or the server ends")
  }

  private func acquireGroup(for request: SpawnRequest) throws(SpawnError) -> ControlGroup? {
    guard request.tracksTree, let groups else { return nil }
    do {
      return try groups.acquire()
    } catch {
      throw SpawnError(
        stage: .resources, errno: error.value,
        message: "cannot make a control group: \(describe(errno: error.value))")
    }
  }

  /// The limits that a child gets.
  func limits(for request: SpawnRequest) -> [telpher_limit] {
    var limits: [telpher_limit] = []
    if let softDescriptorLimit {
      var soft: UInt64 = 0
      var hard: UInt64 = 0
      if telpher_get_limit(telpher_limit_nofile, &soft, &hard) == 0 {
        limits.append(
          telpher_limit(
            resource: telpher_limit_nofile, soft: min(softDescriptorLimit, hard), hard: hard))
      }
    }
    // Behind it, so that what the request says of descriptors wins.
    limits += request.limits.map {
      telpher_limit(resource: $0.kind.number, soft: $0.value, hard: $0.value)
    }
    return limits
  }

  /// Gives a finished process's group back to the pool.
  func giveBack(_ group: ControlGroup) {
    groups?.giveBack(group)
  }

  /// The pool, after a child has been put into a group of it: there is more that can forbid that
  /// than can be asked about.
  private static func usableGroups(
    nullDevice: Int32, options: Options
  ) throws(TransportError) -> ControlGroupPool {
    let pool = try ControlGroupPool(idleLimit: options.idleGroups)
    let failure: Int32
    do {
      let group = try pool.acquire()
      // A program that can't be there: the child gets as far as executing it.
      let image = try LaunchImage(SpawnRequest(arguments: ["/dev/null/"], environment: [:]))
      let launched = launch(
        image, stdio: (nullDevice, nullDevice, nullDevice), group: group, directory: nil,
        apart: TELPHER_APART_GROUP, tag: (0, 0), limits: [], options: options)
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

  /// A control group holds all that comes of a child. Elsewhere its session helps to find it, at a
  /// price: where the system's scheduler shares the processors among sessions (sched(7), "The
  /// autogroup feature"), many short sessions make each other wait for up to a second.
  private static func apart(_ request: SpawnRequest, _ group: ControlGroup?) -> telpher_apart {
    if request.tracksTree { return group == nil ? TELPHER_APART_SESSION : TELPHER_APART_GROUP }
    return request.leadsGroup ? TELPHER_APART_GROUP_WITH_TERMINAL : TELPHER_APART_NOTHING
  }

  private static func launch(
    _ image: borrowing LaunchImage, stdio: (Int32, Int32, Int32), group: ControlGroup?,
    directory: SystemString?, apart: telpher_apart, tag: (UInt64, UInt64), limits: [telpher_limit],
    options: Options
  ) -> telpher_launched {
    limits.withUnsafeBufferPointer { limits in
      func launch(in directory: UnsafePointer<CChar>?) -> telpher_launched {
        var request = telpher_launch(
          candidates: image.candidates, arguments: image.arguments,
          script_arguments: image.scriptArguments, environment: image.environment,
          directory: directory, stdio: stdio,
          control_group: group?.folder ?? -1,
          apart: apart,
          without_clone3: options.withoutClone3 ? 1 : 0, limits: limits.baseAddress,
          limit_count: limits.count, tag: tag.0, tag_limit: tag.1)
        return telpher_launch(&request)
      }
      guard let directory else { return launch(in: nil) }
      return directory.withCString { launch(in: $0) }
    }
  }
}

extension ResourceLimit.Kind {
  /// The number of getrlimit(2).
  package var number: Int32 {
    switch self {
    case .cpuSeconds: telpher_limit_cpu
    case .memoryBytes: telpher_limit_as
    case .fileBytes: telpher_limit_fsize
    case .openFiles: telpher_limit_nofile
    case .processes: telpher_limit_nproc
    case .coreBytes: telpher_limit_core
    }
  }
}

extension SpawnRequest {
  /// - Throws: `SpawnError` where it was given up.
  package func checkIsWanted() throws(SpawnError) {
    guard isCanceled?() == true else { return }
    throw SpawnError(.resources, errno: ECANCELED, of: self)
  }
}

extension SpawnError {
  /// What the launch of `request` failed at.
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

  /// The error `number` of errno(3), at which `stage` of starting `request` failed.
  package init(_ stage: Stage, errno number: Int32, of request: SpawnRequest) {
    let attempt =
      switch stage {
      case .resources: "cannot make a process"
      case .directory: "cannot enter '\(request.directory?.description ?? "")'"
      case .limit: "cannot set a limit"
      case .execute: "cannot run '\(request.arguments.first?.description ?? "")'"
      }
    self.init(stage: stage, errno: number, message: "\(attempt): \(describe(errno: number))")
  }
}
