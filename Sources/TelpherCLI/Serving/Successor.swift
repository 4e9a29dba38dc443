internal import CTelpherSys
internal import Glibc
internal import Logging
internal import TelpherHandOver
internal import TelpherServer
internal import TelpherTransport

/// The process that takes the place of this server: one that asks for it (`serve --replace`), or one
/// that this server starts after SIGUSR2, from its own program file and with its own arguments.
struct Successor: Sendable {
  private let giver: HandOverGiver
  private let environment: [String: String]
  private let logger: Logger
  /// The program's file when this server started: an upgrade puts another file there.
  private let program: String?

  /// A successor for the server with these sockets.
  init(
    of sockets: [HandOverGiver.Socket], environment: [String: String], _ logger: Logger
  ) {
    self.environment = environment
    self.logger = logger
    program = Self.ownProgram()
    giver = HandOverGiver(sockets) { event in
      switch event {
      case .offered(let process):
        logger.info("a process prepares to replace this server", metadata: ["pid": "\(process)"])
      case .failed(let process):
        logger.error(
          "the process that was to replace this server has ended or does not answer; this server continues",
          metadata: ["pid": "\(process)"])
      }
    }
  }

  /// Logs at SIGUSR2, from now on, why this server can't be replaced.
  static func refuse(on loop: any EventLoop, _ reason: String, _ logger: Logger) async {
    await withCheckedContinuation { continuation in
      loop.execute {
        _ = try? loop.watch(signal: SIGUSR2) {
          logger.warning("this server can't be replaced", metadata: ["why": "\(reason)"])
        }
        continuation.resume()
      }
    }
  }

  /// Begins to wait for processes that ask for the sockets, and for SIGUSR2.
  func await(on loop: any EventLoop) async {
    let error = giver.open()
    if error != 0 {
      logger.warning(
        "'serve --replace' will not find this server",
        metadata: ["why": "\(describe(errno: error))"])
    }
    await withCheckedContinuation { continuation in
      loop.execute { [self] in
        _ = try? loop.watch(signal: SIGUSR2) {
          // The start takes some milliseconds, in which the loop has other work.
          let error = startThread { start() }
          if error != 0 { didFailToStart(describe(errno: error)) }
        }
        continuation.resume()
      }
    }
  }

  /// Waits until another process has the sockets.
  ///
  /// - Returns: false if the task was canceled.
  func hasTakenOver() async -> Bool {
    guard let process = await giver.handedOver() else { return false }
    logger.info(
      "replaced: this server finishes the work of its clients and ends",
      metadata: ["by": "\(process)"])
    ServiceManager.notify("MAINPID=\(process)", environment)
    return true
  }

  /// The server begins to end: nothing replaces it any more.
  func end() { giver.end() }

  // MARK: Starting it

  private func start() {
    if let obstacle = giver.obstacle { return didFailToStart(obstacle) }
    guard let program else { return didFailToStart("its program file is not known") }
    guard let (own, other) = HandOverChannel.pair() else {
      return didFailToStart(describe(errno: errno))
    }
    let result = spawn(program, other)
    close(other)
    switch result {
    case .failure(let error):
      close(own)
      didFailToStart("\(program): \(describe(errno: error.number))")
    case .success(let pid):
      giver.begin(HandOverChannel(own, peer: pid), wasStarted: true)
      // It usually ends long after this process.
      var status: Int32 = 0
      while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    }
  }

  private func didFailToStart(_ reason: String) {
    logger.error("no process can be started to replace this server", metadata: ["why": "\(reason)"])
  }

  /// The descriptor of the socket pair in the new process.
  private static let childDescriptor = STDERR_FILENO + 1

  private func spawn(_ program: String, _ end: Int32) -> Result<pid_t, Descriptor.CallError> {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, end, Self.childDescriptor)
    telpher_spawn_close_from(&actions, Self.childDescriptor + 1)

    var words: [UnsafeMutablePointer<CChar>?] = (0..<telpher_argument_count()).map {
      telpher_argument($0).flatMap { strdup($0) }
    }
    words.append(nil)
    var entries: [UnsafeMutablePointer<CChar>?] = [
      strdup("\(Predecessor.variable)=\(Self.childDescriptor)")
    ]
    defer { (words + entries).forEach { free($0) } }
    var entry = environ
    var inherited: [UnsafeMutablePointer<CChar>?] = []
    while let text = entry.pointee {
      inherited.append(text)
      entry += 1
    }
    entries.append(nil)
    var variables = entries.dropLast() + inherited + [nil]
    var pid: pid_t = 0
    let error = withSpawnAttributes { attributes in
      posix_spawn(&pid, program, &actions, &attributes, &words, &variables)
    }
    return error == 0 ? .success(pid) : .failure(Descriptor.CallError(number: error))
  }

  /// The path of this process's program; nil if it is not known.
  private static func ownProgram() -> String? {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &path, path.count - 1)
    guard count > 0 else { return nil }
    return String(
      validating: path.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// A server that another process may replace, and that signals end.
struct ReplaceableServer: EndableServer {
  let server: Server
  let successor: Successor

  func endInOrder() async {
    successor.end()
    await server.endInOrder()
  }

  func endAtOnce() async { await server.endAtOnce() }
  var remaining: String? { server.remaining }
}
