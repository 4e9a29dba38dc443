internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// Starts a relay's process: this program with the hidden command `relay`.
///
/// The process gets a socket to this one as its standard input, and keeps this process's terminal
/// and standard error until it has connected, since ssh may ask for a password. It inherits nothing
/// else: no other descriptor, and of the environment only what its own libraries read.
enum RelayProcess {
  /// The variables that the program's own libraries read.
  private static let variables = [
    "LD_LIBRARY_PATH", "SWIFT_BACKTRACE", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
  ]

  /// Starts the process and sends it `settings`.
  ///
  /// - Returns: this side of the socket; the caller owns it. Nil if no process can be started.
  static func start(_ settings: RelaySettings, environment: [String: String]) -> Int32? {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { return nil }
    defer { close(ends[1]) }
    guard spawn(ends[1], settings.address, environment),
      RelayChannel(descriptor: ends[0]).send(settings)
    else {
      close(ends[0])
      return nil
    }
    return ends[0]
  }

  private static func spawn(
    _ end: Int32, _ address: String, _ environment: [String: String]
  ) -> Bool {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, end, STDIN_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    telpher_spawn_close_from(&actions, STDERR_FILENO + 1)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

    // The address is for ps(1); the settings contain it too.
    let arguments = ["telpher", "relay", "--", address]
    var words = arguments.map { strdup($0) } + [nil]
    var entries =
      variables.compactMap { name in environment[name].map { strdup("\(name)=\($0)") } } + [nil]
    defer { (words + entries).forEach { free($0) } }
    var pid: pid_t = 0
    return posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, &words, &entries) == 0
  }
}
