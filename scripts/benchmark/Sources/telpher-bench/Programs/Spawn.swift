internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// Prepares and starts one process with posix_spawn(3).
struct Spawn {
  private var actions = posix_spawn_file_actions_t()
  private var arguments: [UnsafeMutablePointer<CChar>?]
  private var environment: [UnsafeMutablePointer<CChar>?]
  /// Descriptors for the child that this process closes after the start.
  private var theirs: [Int32] = []

  /// - Parameter environment: variables in addition to those of this process.
  init(_ arguments: [String], environment: [String: String] = [:]) {
    posix_spawn_file_actions_init(&actions)
    self.arguments = arguments.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = []
    var next = environ
    while let variable = next.pointee {
      variables.append(strdup(variable))
      next += 1
    }
    self.environment = variables + environment.map { strdup("\($0)=\($1)") } + [nil]
  }

  /// Connects one of the child's standard streams.
  ///
  /// - Returns: this process's end if `what` is a pipe.
  /// - Throws: `Failure` if no pipe can be created.
  mutating func connect(_ stream: Int32, to what: Program.Stream) throws(Failure) -> Int32? {
    switch what {
    case .inherit: return nil
    case .null:
      posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_RDWR, 0)
      return nil
    case .pipe:
      var ends: [Int32] = [-1, -1]
      guard telpher_pipe(&ends) == 0 else { throw Failure("cannot create a pipe") }
      let isInput = stream == STDIN_FILENO
      let (ours, their) = isInput ? (ends[1], ends[0]) : (ends[0], ends[1])
      posix_spawn_file_actions_adddup2(&actions, their, stream)
      theirs.append(their)
      return ours
    }
  }

  /// Starts the process.
  ///
  /// - Throws: `Failure` if that fails.
  mutating func start() throws(Failure) -> pid_t {
    // This process may ignore these signals; its children must not.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM, SIGPIPE] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    // The current thread may be one of Dispatch's, which block all signals.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    var pid: pid_t = 0
    let error = posix_spawnp(&pid, arguments[0]!, &actions, &attributes, &arguments, &environment)
    guard error == 0 else {
      throw Failure(
        "cannot start \(String(cString: arguments[0]!)): \(describe(errno: error))")
    }
    return pid
  }

  /// Frees memory and descriptors that only the start needed.
  mutating func free() {
    posix_spawn_file_actions_destroy(&actions)
    for pointer in arguments + environment { Glibc.free(pointer) }
    theirs.forEach { close($0) }
  }
}
