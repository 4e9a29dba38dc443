internal import CTelpherSys
internal import Glibc
internal import TelpherAccess
internal import TelpherServer
internal import TelpherTransport

/// Starts the job host: this program with the hidden command `job-host`, in a session of its own. It
/// inherits no descriptor but the socket over which it reports, and of the environment only what
/// its own libraries read.
struct JobHostProcess: JobHost {
  let place: JobsPlace

  var address: SocketAddress { .unix(path: place.socket) }

  /// The variables that the program's own libraries read.
  private static let variables = [
    "LD_LIBRARY_PATH", "SWIFT_BACKTRACE", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
  ]
  /// POSIX_SPAWN_SETSID of <spawn.h>, which Swift's Glibc module lacks.
  private static let newSession: Int16 = 0x80

  func host(of client: Identity) -> any JobHost { JobHostProcess(place: place.of(client)) }

  func host(ofIdentity id: String) -> any JobHost { JobHostProcess(place: place.of(identity: id)) }

  func hostsOfOthers() -> [JobHostOfIdentity] {
    place.identities().map { id in
      let place = place.of(identity: id)
      return JobHostOfIdentity(
        id: id, name: place.storedName ?? id, host: JobHostProcess(place: place))
    }
  }

  func start() -> String? {
    do throws(Failure) {
      try place.prepare()
    } catch {
      return error.message
    }
    let environment = Environment.current()
    guard !ProcessAttributes.isInJob(environment) else {
      // This process belongs to a server's command. A host started here would end together with
      // that command.
      return
        "no job host runs, and a command that telpher runs can't start one; start a job or 'telpher serve' outside of telpher first"
    }
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      return "cannot start it: \(describe(errno: errno))"
    }
    let channel = RelayChannel(descriptor: ends[0])
    let result = spawn(ends[1], environment)
    close(ends[1])
    defer { close(ends[0]) }
    switch result {
    case .failure(let error): return "cannot start it: \(describe(errno: error.number))"
    case .success(let pid):
      let report = channel.receive(JobHostReport.self)
      // The process ends long after this; a thread reaps it then.
      if startThread({ Self.reap(pid) }) != 0, report?.isReady != true { Self.reap(pid) }
      guard let report else { return "it has ended without a report" }
      return report.isReady ? nil : report.message
    }
  }

  private static func reap(_ pid: pid_t) {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
  }

  private func spawn(
    _ end: Int32, _ environment: [String: String]
  ) -> Result<pid_t, Descriptor.CallError> {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, end, STDIN_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    telpher_spawn_close_from(&actions, STDERR_FILENO + 1)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Self.newSession | Int16(POSIX_SPAWN_SETSIGMASK))

    let arguments = ["telpher", "job-host", "--", place.folder]
    var words = arguments.map { strdup($0) } + [nil]
    var entries =
      Self.variables.compactMap { name in environment[name].map { strdup("\(name)=\($0)") } }
      + [nil]
    defer { (words + entries).forEach { free($0) } }
    var pid: pid_t = 0
    let error = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, &words, &entries)
    return error == 0 ? .success(pid) : .failure(Descriptor.CallError(number: error))
  }
}

/// What the job host reports to the process that has started it.
struct JobHostReport: Codable {
  /// Whether a host listens now: this one, or one that was there before.
  var isReady: Bool
  /// Why not.
  var message = ""
}
