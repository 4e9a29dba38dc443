import Glibc

/// Runs commands without Telpher, to compare their results with those of Telpher.
enum LocalShell {
  /// How a command ended, as waitpid(2) reports it.
  enum Ending: Equatable, Sendable {
    case exited(Int32)
    case signaled(Int32)
    /// It could not be executed: errno(3).
    case failed(Int32)
  }

  /// The standard output of the shell line `line`.
  static func output(of line: String) -> [UInt8] {
    guard let pipe = popen(line, "re") else { return [] }
    defer { pclose(pipe) }
    return bytes(of: pipe)
  }

  /// Runs a program with empty standard streams, and waits for it.
  static func run(_ arguments: [String], environment: [String]) -> Ending {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor in Int32(0)...2 {
      posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | 0x80))
    var pid = pid_t()
    let argv = arguments.map { strdup($0) } + [nil]
    let envp = environment.map { strdup($0) } + [nil]
    defer { (argv + envp).forEach { free($0) } }
    let error = posix_spawnp(&pid, arguments[0], &actions, &attributes, argv, envp)
    guard error == 0 else { return .failed(error) }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    return status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .signaled(status & 0x7f)
  }
}
