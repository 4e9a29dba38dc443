internal import CTelpherSys
internal import Glibc
internal import Synchronization

/// A running child process. `stop()` ends it, and so does the release of this object.
final class Program: Sendable {
  /// What a standard stream of the program is connected to.
  enum Stream {
    /// /dev/null.
    case null
    /// A pipe whose other end this process has.
    case pipe
    /// The same stream of this process.
    case inherit
  }

  /// How a program ended.
  struct Ending: Equatable {
    /// The status of waitpid(2); 0 if the program exited with status 0.
    var status: Int32

    var description: String {
      status & 0x7f == 0 ? "status \(status >> 8)" : "signal \(status & 0x7f)"
    }
  }

  /// The process id.
  let pid: pid_t
  /// The program's name, for messages.
  let name: String
  private let processDescriptor: Int32
  private let output: LineReader?
  private let input: Int32
  /// How the program ended; nil until it was waited for.
  private let ending = Mutex<Ending?>(nil)

  /// Starts a program. The first element of `arguments` is its name; it is searched for in PATH.
  ///
  /// - Parameter environment: variables in addition to those of this process.
  /// - Throws: `Failure` if it cannot be started.
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
    precondition(outputEnd == nil || errorEnd == nil, "at most one output can be a pipe")
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

  /// Returns the next line of the piped output without its line feed; nil at the end of the output.
  ///
  /// - Throws: `Failure` if no line arrives within `seconds`.
  func readLine(within seconds: Double = 60) throws(Failure) -> String? {
    guard let output else { preconditionFailure("only a program with a piped output is read") }
    return try output.next(before: monotonicNow() + UInt64(seconds * 1e9), of: name)
  }

  /// Writes bytes to the piped input.
  ///
  /// - Throws: `Failure` if the program takes no input any more.
  func send(_ bytes: [UInt8]) throws(Failure) {
    precondition(input >= 0, "only a program with a piped input is written to")
    guard write(input, bytes, bytes.count) == bytes.count else {
      throw Failure("\(name) takes no input")
    }
  }

  /// Reads lines until one begins with `prefix`, and returns what follows it.
  ///
  /// - Throws: `Failure` if there is no such line.
  func readLine(after prefix: String, within seconds: Double = 60) throws(Failure) -> String {
    while let line = try readLine(within: seconds) {
      if line.hasPrefix(prefix) { return String(line.dropFirst(prefix.count)) }
    }
    throw Failure("\(name) ended without printing '\(prefix)...'")
  }

  /// Waits for the program to end.
  ///
  /// - Throws: `Failure` if it does not end within `seconds`; it is then killed.
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

  /// Waits for the program to end.
  ///
  /// - Throws: `Failure` if it ends with another status than 0, or does not end within `seconds`.
  func finish(within seconds: Double = 600) throws(Failure) {
    let ending = try wait(within: seconds)
    guard ending.status == 0 else { throw Failure("\(name) ended with \(ending.description)") }
  }

  /// Ends the program with `signal`, and with SIGKILL if it still runs 10 seconds later.
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
  /// Runs a program until it ends and returns the lines of its output.
  ///
  /// - Throws: `Failure` if it cannot be started, fails, or prints nothing for `seconds`.
  static func lines(
    of arguments: [String], environment: [String: String] = [:], within seconds: Double = 600
  ) throws(Failure) -> [String] {
    let program = try Program(arguments, environment: environment, output: .pipe)
    var lines: [String] = []
    while let line = try program.readLine(within: seconds) { lines.append(line) }
    try program.finish(within: seconds)
    return lines
  }

  /// Runs a program until it ends, drops its output, and returns how many nanoseconds it took.
  ///
  /// - Throws: as `lines(of:)`.
  static func time(_ arguments: [String], within seconds: Double = 600) throws(Failure) -> UInt64 {
    let begin = monotonicNow()
    try Program(arguments, output: .null).finish(within: seconds)
    return monotonicNow() - begin
  }
}

/// The time of the monotonic clock in nanoseconds.
func monotonicNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
