internal import Glibc
internal import TelpherTransport

/// A temporary server for one client: a separate process that runs `serve --listen stdio` at the
/// other end of a socket pair.
///
/// It is not a second loop in this process, because a SIGKILL of this process would then leave the
/// command's processes running. The separate server sees the connection end and ends them.
enum EmbeddedServer {
  /// POSIX_SPAWN_SETSID of <spawn.h>, which Swift's Glibc module lacks.
  private static let newSession: Int16 = 0x80

  /// Starts the server process.
  ///
  /// - Returns: the descriptor of this side of the connection; the caller owns it.
  /// - Throws: `Failure` if the socket pair or the process can't be made.
  static func start() throws(Failure) -> Int32 {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw failure(errno) }
    defer { close(ends[1]) }
    let error = spawn(server: ends[1])
    guard error == 0 else {
      close(ends[0])
      throw failure(error)
    }
    return ends[0]
  }

  private static func spawn(server end: Int32) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, end, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, end, STDOUT_FILENO)

    let arguments = ["telpher", "serve", "--listen", "stdio", "--log-level", "error"]
    var pointers = arguments.map { strdup($0) } + [nil]
    defer { pointers.forEach { free($0) } }
    var pid: pid_t = 0
    // In its own session the server gets no Ctrl-C from the terminal; the client forwards it.
    return withSpawnAttributes(flags: newSession) { attributes in
      posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, &pointers, environ)
    }
  }

  private static func failure(_ error: Int32) -> Failure {
    Failure("cannot start a temporary server: \(describe(errno: error))")
  }
}
