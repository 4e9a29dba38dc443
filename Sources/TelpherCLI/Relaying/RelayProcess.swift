internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// Starts a relay's process: this program with the hidden command `relay`.
///
/// The process gets a socket to this one as its standard input, and keeps this process's terminal
/// and standard error until it has connected, since ssh may ask for a password. It inherits nothing
/// else: no other descriptor, and of the environment only what its own libraries read.
struct RelayProcess {
  /// This side of the socket to it; the caller closes it.
  let channel: RelayChannel
  private let pid: pid_t

  /// Waits for what the process reports. If the task is canceled, or if `limit` is over, the process
  /// is made to end the attempt.
  ///
  /// Call it on `loop`'s thread.
  ///
  /// - Returns: nil if the process has ended without a report.
  func outcome(within limit: Duration?, on loop: any EventLoop) async -> RelayOutcome? {
    var isOver = false
    let timer = limit.map {
      loop.schedule(after: UInt64(max(.zero, $0) / .nanoseconds(1))) {
        isOver = true
        channel.breakOff()
      }
    }
    let outcome = await outcome()
    timer?.cancel()
    return isOver ? nil : outcome
  }

  private func outcome() async -> RelayOutcome? {
    await withTaskCancellationHandler {
      // On a thread of its own: the calls below block, and the caller's thread receives signals.
      await Task(executorPreference: ThreadExecutor.ofItsOwn()) {
        if let outcome = channel.receive(RelayOutcome.self) { return outcome }
        awaitEnd()
        return nil
      }.value
    } onCancel: {
      channel.breakOff()
    }
  }

  /// Waits for the end of the process, which this process has started. Kills it if it does not end
  /// in time.
  private func awaitEnd() {
    let handle = telpher_pidfd_open(pid)
    guard handle >= 0 else { return }
    defer { close(handle) }
    var entry = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
    if poll(&entry, 1, Self.endTimeout) != 1 { _ = telpher_pidfd_signal(handle, SIGKILL) }
  }

  /// How long the process has to end, in milliseconds: longer than it gives the program that carries
  /// its connection.
  private static let endTimeout: Int32 = 10_000

  /// The variables that the program's own libraries read.
  private static let variables = [
    "LD_LIBRARY_PATH", "SWIFT_BACKTRACE", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
  ]

  /// Starts the process and sends it `settings`.
  ///
  /// - Returns: nil if no process can be started.
  static func start(_ settings: RelaySettings, environment: [String: String]) -> RelayProcess? {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { return nil }
    defer { close(ends[1]) }
    let channel = RelayChannel(descriptor: ends[0])
    guard let pid = spawn(ends[1], settings.address, environment), channel.send(settings) else {
      close(ends[0])
      return nil
    }
    return RelayProcess(channel: channel, pid: pid)
  }

  private static func spawn(
    _ end: Int32, _ address: String, _ environment: [String: String]
  ) -> pid_t? {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, end, STDIN_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    telpher_spawn_close_from(&actions, STDERR_FILENO + 1)

    // The address is for ps(1); the settings contain it too.
    let arguments = ["telpher", "relay", "--", address]
    var words = arguments.map { strdup($0) } + [nil]
    var entries =
      variables.compactMap { name in environment[name].map { strdup("\(name)=\($0)") } } + [nil]
    defer { (words + entries).forEach { free($0) } }
    var pid: pid_t = 0
    let error = withSpawnAttributes { attributes in
      posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, &words, &entries)
    }
    return error == 0 ? pid : nil
  }
}
