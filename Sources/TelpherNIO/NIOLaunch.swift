internal import CTelpherSys
internal import Glibc
internal import Subprocess
internal import SystemPackage
internal import TelpherProcess
internal import TelpherTransport

/// Starts one child and runs swift-subprocess's task for it, with the loop as its executor. The
/// task ends when the child may be waited for and forgotten.
///
/// `@unchecked Sendable`: used only on the loop's thread.
final class NIOLaunch: @unchecked Sendable {
  private let loop: NIOLoop
  private let request: SpawnRequest
  private var completion: ((Result<any ChildProcess, SpawnError>) -> Void)?
  private var pipes: StdioPipes?
  private var pid: Int32?
  /// The entry of this launch in the table of children, until the launch is done.
  private var entry: ChildTable.Launch?
  private var tag: UInt64?
  /// The command's place in the guard's table, until the child is handed over.
  private var guardSlot: CommandGuard.Slot?

  init(
    loop: NIOLoop, request: SpawnRequest,
    _ completion: @escaping (Result<any ChildProcess, SpawnError>) -> Void
  ) {
    self.loop = loop
    self.request = request.withLoginShell()
    self.completion = completion
  }

  /// Starts the launch. The completion is called later, never before this returns.
  func start() {
    guard !loop.isClosing, let launcher = loop.launcher else {
      return loop.callLater { [self] in
        finish(.failure(canceled(loop.isClosing ? nil : "the loop has no launcher")))
      }
    }
    Task(executorPreference: loop) { await self.run(launcher) }
  }

  private func run(_ launcher: SubprocessLauncher) async {
    do throws(SpawnError) {
      try await launchProgramOrScript(launcher)
    } catch {
      finish(.failure(error))
    }
  }

  /// Launches the program. If the system can't execute it (ENOEXEC), launches a shell that runs it
  /// as a script, as execvp(3) does.
  private func launchProgramOrScript(_ launcher: SubprocessLauncher) async throws(SpawnError) {
    do throws(SpawnError) {
      return try await launch(launcher, asScript: false)
    } catch {
      guard error.stage == .execute, error.errno == ENOEXEC else { throw error }
    }
    try await launch(launcher, asScript: true)
  }

  private func launch(
    _ launcher: SubprocessLauncher, asScript: Bool
  ) async throws(SpawnError) {
    try request.checkNotCanceled()
    try request.checkNeedsNoTerminal()
    launcher.children.waitForAbandoned()
    let mark = request.tracksTree ? ProcessTree.makeMark() : nil
    tag = request.tracksTree ? launcher.tags.make() : nil
    try bookGuard(launcher)
    let strings = try LaunchStrings(request, mark: mark)
    let program = try ProgramSearch(request).find(strings.candidates)
    let pipes = try StdioPipes(request, null: launcher.nullDevice)
    let stdio = pipes.child
    self.pipes = consume pipes
    try checkDescriptors()

    var options = PlatformOptions()
    options.createSession = request.tracksTree
    if !request.tracksTree && request.leadsGroup { options.processGroupID = 0 }
    let gate =
      try request.limits.isEmpty
      ? nil : LimitGate(request, strings.arguments, launcher.resources)
    let rest = Array(strings.arguments.dropFirst())
    let arguments =
      asScript
      ? Arguments([LimitShell.program, program] + rest) : Arguments(strings.arguments)
    let directory = try DirectoryPath(of: request)
    defer { withExtendedLifetime(directory) {} }
    let configuration = Configuration(
      executable: .path(FilePath(gate?.program ?? (asScript ? LimitShell.program : program))),
      arguments: gate?.arguments ?? arguments,
      environment: .custom(strings.environment.map { $0.bytes + [0] }),
      workingDirectory: directory?.path, platformOptions: options)
    entry = launcher.children.willLaunch()
    do {
      _ = try await Subprocess.run(
        configuration,
        input: .fileDescriptor(FileDescriptor(rawValue: stdio.0), closeAfterSpawningProcess: false),
        output: .fileDescriptor(
          FileDescriptor(rawValue: stdio.1), closeAfterSpawningProcess: false),
        error: .fileDescriptor(FileDescriptor(rawValue: stdio.2), closeAfterSpawningProcess: false)
      ) { execution in
        await self.superviseChild(execution.processIdentifier, mark, gate, launcher)
      }
      if let pid { launcher.children.didReap(pid) }
    } catch {
      self.pipes = nil
      // If the child runs already, only its end was missed.
      if let pid { return launcher.children.abandon(pid) }
      didLaunch(nil, launcher)
      throw SpawnError(error, of: request)
    }
  }

  /// Registers the child with the guard before it is started, so that it never runs unguarded.
  private func bookGuard(_ launcher: SubprocessLauncher) throws(SpawnError) {
    // The first of two attempts has a place already: it was for another tag.
    freeGuard()
    guard let commandGuard = launcher.commandGuard, let tag else { return }
    guardSlot = commandGuard.book(tag, group: nil)
    if guardSlot == nil { throw .guardIsFull }
  }

  private func freeGuard() {
    if let guardSlot { loop.launcher?.commandGuard?.free(guardSlot) }
    guardSlot = nil
  }

  /// Checks that descriptors are available for the pidfd that swift-subprocess opens. Without the
  /// pidfd it never sees the child's end. It may still fail if other code opens descriptors
  /// meanwhile: see `superviseChild`.
  private func checkDescriptors() throws(SpawnError) {
    let spare = telpher_duplicate(0, 0)
    let another = spare < 0 ? spare : telpher_duplicate(0, 0)
    if spare >= 0 { _ = Glibc.close(spare) }
    if another >= 0 { _ = Glibc.close(another) }
    guard another >= 0 else {
      pipes = nil
      throw SpawnError(.resources, errno: -another, of: request)
    }
  }

  /// Handles the child from its start until it may be waited for.
  private func superviseChild(
    _ child: ProcessIdentifier, _ mark: String?, _ gate: LimitGate?, _ launcher: SubprocessLauncher
  ) async {
    pid = child.value
    didLaunch(child.value, launcher)
    guard child.processDescriptor >= 0 else {
      // swift-subprocess waits forever in a task that is lost.
      pipes = nil
      kill(request.tracksTree ? -child.value : child.value, SIGKILL)
      launcher.children.abandon(child.value)
      return finish(.failure(SpawnError(.resources, errno: EMFILE, of: request)))
    }
    if let limit = launcher.softDescriptorLimit { Self.setDescriptorLimit(limit, of: child.value) }
    // The tag is set some time after the child began. The mark is there from its first instruction.
    if let tag { launcher.tags.set(tag, of: child.value) }
    if let gate {
      do {
        try await gate.open(child.value, on: loop)
      } catch {
        pipes = nil
        kill(-child.value, SIGKILL)
        kill(child.value, SIGKILL)
        return finish(.failure(error))
      }
    }
    await withCheckedContinuation { continuation in
      handOver(child, mark, gate?.limited, launcher) { continuation.resume() }
    }
  }

  /// Completes the launch with the child.
  private func handOver(
    _ child: ProcessIdentifier, _ mark: String?, _ limited: ResourceGroup?,
    _ launcher: SubprocessLauncher, _ forget: @escaping () -> Void
  ) {
    let tree = mark.map { ProcessTree(leader: child.value, mark: $0, tag: tag) }
    let ours = pipes?.takeOurs()
    pipes = nil
    var streams: [NIOStream] = []
    func pipe(_ carrier: NIOStream.Carrier) throws(TransportError) -> NIOStream {
      let stream = try NIOStream.pipe(carrier, on: loop, "open a pipe")
      streams.append(stream)
      return stream
    }
    do {
      guard !loop.isClosing else { throw canceled(nil) }
      let process = NIOProcess(
        pid: child.value, tree: tree, limited: limited, guardSlot: guardSlot,
        guardedBy: launcher.commandGuard,
        input: try ours?.input.map { try pipe(.output($0)) },
        output: try ours?.output.map { try pipe(.input($0)) },
        error: try ours?.error.map { try pipe(.input($0)) }, on: loop)
      for stream in streams { if case .input = stream.carrier { stream.growsPipe = true } }
      try process.watch(by: launcher.exits, child.processDescriptor)
      process.forget = forget
      guardSlot = nil
      finish(.success(process))
    } catch {
      // No other code has the child, so it is killed with its descendants.
      if let tree { tree.signal(SIGKILL) } else { kill(child.value, SIGKILL) }
      for stream in streams { stream.close() }
      let unopened = [ours?.input, ours?.output, ours?.error].compactMap(\.self)
      for descriptor in unopened.dropFirst(streams.count) { _ = Glibc.close(descriptor) }
      forget()
      let number = (error as? ErrorNumber)?.value ?? (error as? TransportError)?.errno ?? EMFILE
      finish(.failure(error as? SpawnError ?? SpawnError(.resources, errno: number, of: request)))
    }
  }

  private func didLaunch(_ pid: Int32?, _ launcher: SubprocessLauncher) {
    if let entry { launcher.children.didLaunch(entry, pid) }
    entry = nil
  }

  private func finish(_ result: Result<any ChildProcess, SpawnError>) {
    freeGuard()
    let completion = self.completion
    self.completion = nil
    completion?(result)
  }

  private func canceled(_ reason: String?) -> SpawnError {
    SpawnError(
      stage: .resources, errno: ECANCELED, message: reason ?? "the loop was shut down")
  }

  private static func setDescriptorLimit(_ limit: UInt64, of pid: Int32) {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    guard telpher_get_limit(telpher_limit_nofile, &soft, &hard) == 0 else { return }
    _ = telpher_set_limit(pid, telpher_limit_nofile, min(limit, hard), hard)
  }
}

/// The working directory of a child, for swift-subprocess, which takes it as text: a path that is not
/// UTF-8 is named by an open descriptor of this process instead.
private final class DirectoryPath {
  let path: FilePath
  private let descriptor: Int32?

  /// - Throws: `SpawnError` of stage `directory` if it cannot be opened.
  init?(of request: SpawnRequest) throws(SpawnError) {
    guard let directory = request.directory else { return nil }
    guard String(validating: directory.bytes, as: UTF8.self) == nil else {
      (path, descriptor) = (FilePath(directory), nil)
      return
    }
    let opened = directory.withCString { telpher_open_folder($0) }
    guard opened >= 0 else { throw SpawnError(.directory, errno: -opened, of: request) }
    (path, descriptor) = (FilePath("/proc/\(getpid())/fd/\(opened)"), opened)
  }

  deinit { if let descriptor { _ = Glibc.close(descriptor) } }
}

extension Arguments {
  /// Converts arguments, of which the first is the program's name.
  init(_ arguments: [SystemString]) {
    self.init(
      executablePathOverride: arguments[0].bytes + [0],
      remainingValues: arguments.dropFirst().map { $0.bytes + [0] })
  }
}

extension FilePath {
  fileprivate init(_ path: SystemString) {
    self = path.withCString { FilePath(platformString: $0) }
  }
}

extension SpawnError {
  /// Converts the error that swift-subprocess threw for `request`.
  fileprivate init(_ error: any Error, of request: SpawnRequest) {
    guard let error = error as? SubprocessError else {
      self.init(.resources, errno: ECANCELED, of: request)
      return
    }
    let number = error.underlyingError?.rawValue
    switch error.code {
    case .failedToChangeWorkingDirectory:
      self.init(.directory, errno: number ?? ENOENT, of: request)
    case .executableNotFound: self.init(.execute, errno: number ?? ENOENT, of: request)
    case .spawnFailed:
      guard let number else {
        self.init(stage: .execute, errno: EINVAL, message: error.description)
        return
      }
      let isShort = [EAGAIN, ENOMEM, EMFILE, ENFILE].contains(number)
      self.init(isShort ? .resources : .execute, errno: number, of: request)
    default: self.init(.resources, errno: number ?? EIO, of: request)
    }
  }
}
