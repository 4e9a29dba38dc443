internal import CTelpherSys
internal import Glibc
internal import Synchronization

/// Another program that runs. It is ended by its process id: by `stop()`, or at the end of this one.
final class Program: Sendable {
  /// What becomes of a standard stream.
  enum Stream {
    /// There is nothing to be read, and what is written is dropped.
    case null
    /// This process has the other end.
    case pipe
    /// It is this process's.
    case inherit
  }

  /// How it ended.
  struct Ending: Equatable {
    /// waitpid(2)'s status: 0 where the program ended by itself with status 0.
    var status: Int32

    var description: String {
      status & 0x7f == 0 ? "status \(status >> 8)" : "signal \(status & 0x7f)"
    }
  }

  /// The program's process.
  let pid: pid_t
  /// Its name, for messages.
  let name: String
  private let processDescriptor: Int32
  private let output: LineReader?
  private let input: Int32
  /// How it ended, once it was waited for.
  private let ending = Mutex<Ending?>(nil)

  /// Starts `arguments`, the program first; it is looked up in PATH.
  ///
  /// - Parameter environment: variables beside those of this process.
  /// - Throws: `Failure` where it can't be started.
  init(
    _ arguments: [String], environment: [String: String] = [:], input: Stream = .null,
    output: Stream = .inherit, error: Stream = .inherit
  ) throws(Failure) {
    name = arguments[0].split(separator: "/").last.map(String.init) ?? arguments[0]
    var spawn = Spawn(arguments, environment: environment)
    defer { spawn.free() }
    self.input = try spawn.connect(STDIN_FILENO, to: input) ?? -1
    let outputEnd = try spawn.connect(STDOUT_FILENO, to: output)
    let errorEnd = try spawn.connect(STDERR_FILENO, to: error)
    precondition(outputEnd == nil || errorEnd == nil, "one of its outputs is read at most")
    self.output = (outputEnd ?? errorEnd).map { LineReader($0) }
    pid = try spawn.start()
    processDescriptor = telpher_pidfd_open(pid)
    RunningPrograms.add(pid)
  }

  deinit {
    stop()
    if processDescriptor >= 0 { close(processDescriptor) }
    if input >= 0 { close(input) }
  }

  /// The next line of the output that is a pipe, without its end; nil at the end of the output.
  ///
  /// - Throws: `Failure` where none comes within `seconds`.
  func readLine(within seconds: Double = 60) throws(Failure) -> String? {
    guard let output else { preconditionFailure("its output is a pipe") }
    return try output.next(before: monotonicNow() + UInt64(seconds * 1e9), of: name)
  }

  /// Reads lines until one begins with `prefix`, and returns what follows it.
  ///
  /// - Throws: `Failure` where none comes.
  func readLine(after prefix: String, within seconds: Double = 60) throws(Failure) -> String {
    while let line = try readLine(within: seconds) {
      if line.hasPrefix(prefix) { return String(line.dropFirst(prefix.count)) }
    }
    throw Failure("\(name) ended without saying '\(prefix)...'")
  }

  /// Waits for the end.
  ///
  /// - Throws: `Failure` where it doesn't come within `seconds`; the program is killed then.
  @discardableResult
  func wait(within seconds: Double = 600) throws(Failure) -> Ending {
    if let ended = ending.withLock({ $0 }) { return ended }
    guard hasEnded(within: seconds) else {
      kill(pid, SIGKILL)
      reap()
      throw Failure("\(name) did not end within \(seconds) s")
    }
    return reap()
  }

  /// Waits for the end and for status 0.
  func finish(within seconds: Double = 600) throws(Failure) {
    let ending = try wait(within: seconds)
    guard ending.status == 0 else { throw Failure("\(name) ended with \(ending.description)") }
  }

  /// Ends it: SIGTERM, and SIGKILL if that is not enough.
  func stop(_ signal: Int32 = SIGTERM) {
    guard ending.withLock({ $0 }) == nil else { return }
    kill(pid, signal)
    if !hasEnded(within: 10) { kill(pid, SIGKILL) }
    reap()
  }

  private func hasEnded(within seconds: Double) -> Bool {
    let end = monotonicNow() + UInt64(seconds * 1e9)
    while true {
      let left = Int64(end) - Int64(monotonicNow())
      guard left > 0 else { return false }
      var wanted = pollfd(fd: processDescriptor, events: Int16(POLLIN), revents: 0)
      if poll(&wanted, 1, Int32(min(left / 1_000_000 + 1, 60_000))) > 0 { return true }
    }
  }

  @discardableResult
  private func reap() -> Ending {
    ending.withLock { ending in
      if let ending { return ending }
      var status: Int32 = 0
      while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
      RunningPrograms.remove(pid)
      let ended = Ending(status: status)
      ending = ended
      return ended
    }
  }
}

extension Program {
  /// Runs `arguments` to its end and returns its output's lines.
  ///
  /// - Throws: `Failure` where it can't be run, fails, or takes more than `seconds`.
  static func lines(
    of arguments: [String], environment: [String: String] = [:], within seconds: Double = 600
  ) throws(Failure) -> [String] {
    let program = try Program(arguments, environment: environment, output: .pipe)
    var lines: [String] = []
    while let line = try program.readLine(within: seconds) { lines.append(line) }
    try program.finish(within: seconds)
    return lines
  }

  /// Runs `arguments` to its end, its output dropped, and returns the nanoseconds it took.
  ///
  /// - Throws: as `lines(of:)`.
  static func time(_ arguments: [String], within seconds: Double = 600) throws(Failure) -> UInt64 {
    let begin = monotonicNow()
    try Program(arguments, output: .null).finish(within: seconds)
    return monotonicNow() - begin
  }
}

/// Nanoseconds of a clock that only goes on.
func monotonicNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
