internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// Starts this program as a process to which a server passes streams on, in a session of its own. It
/// inherits no descriptor but the socket over which it reports, and of the environment only what its
/// own libraries read.
enum HostProcess {
  /// The variables that the program's own libraries read.
  static let variables = [
    "LD_LIBRARY_PATH", "SWIFT_BACKTRACE", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
  ]
  /// POSIX_SPAWN_SETSID of <spawn.h>, which Swift's Glibc module lacks.
  private static let newSession: Int16 = 0x80

  /// Starts the program with these arguments and waits for its report. Blocks.
  ///
  /// - Returns: why it does not listen; nil if it does.
  static func start(_ arguments: [String]) -> String? {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      return "cannot start it: \(describe(errno: errno))"
    }
    let channel = RelayChannel(descriptor: ends[0])
    let result = spawn(arguments, ends[1])
    close(ends[1])
    defer { close(ends[0]) }
    switch result {
    case .failure(let error): return "cannot start it: \(describe(errno: error.number))"
    case .success(let pid):
      let report = channel.receive(JobHostReport.self)
      // The process ends long after this; a thread reaps it then.
      if startThread({ reap(pid) }) != 0, report?.isReady != true { reap(pid) }
      guard let report else { return "it has ended without a report" }
      return report.isReady ? nil : report.message
    }
  }

  private static func reap(_ pid: pid_t) {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
  }

  private static func spawn(
    _ arguments: [String], _ end: Int32
  ) -> Result<pid_t, Descriptor.CallError> {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, end, STDIN_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    telpher_spawn_close_from(&actions, STDERR_FILENO + 1)

    var words = (["telpher"] + arguments).map { strdup($0) } + [nil]
    let environment = Environment.current()
    var entries =
      variables.compactMap { name in environment[name].map { strdup("\(name)=\($0)") } } + [nil]
    defer { (words + entries).forEach { free($0) } }
    var pid: pid_t = 0
    let error = withSpawnAttributes(flags: newSession) { attributes in
      posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, &words, &entries)
    }
    return error == 0 ? .success(pid) : .failure(Descriptor.CallError(number: error))
  }
}
