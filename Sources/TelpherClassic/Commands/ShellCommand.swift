internal import TelpherCommand
internal import TelpherTransport

/// A client's command. It runs in /bin/sh with empty standard input. Output that is not read stays
/// in its pipes, and then the command waits.
final class ShellCommand: CommandProcessDelegate {
  /// The output that a piece comes from.
  enum Output: Sendable {
    case standard
    case error
  }

  /// What `next(within:)` returns.
  enum Event {
    /// A piece of output.
    case piece(Output, Chunk)
    /// The command has exited and its outputs have ended, or `end()` or `kill()` was called.
    case over
    /// Nothing happened in time.
    case silence
  }

  /// Called by `end()` and `kill()`, to stop a wait for the start.
  var didEndUnstarted: (() -> Void)?
  /// Whether `end()` or `kill()` was called before the command had finished.
  var wasEnded: Bool { process.isEnding }

  private let loop: any EventLoop
  private let process: CommandProcess
  private let didFinish: (ShellCommand) -> Void
  private var hasFinished = false
  private var makeTranscoder: () -> Transcoder? = { nil }
  private var didLaunch: CheckedContinuation<Void, Never>?
  private var pipes: [OutputPipe] = []
  private var pieces: [(Output, Chunk)] = []
  private let bell = Bell()

  /// - Parameter didFinish: called once, when the command needs no more attention.
  init(
    on loop: any EventLoop, limits: ClassicLimits, didFinish: @escaping (ShellCommand) -> Void
  ) {
    self.loop = loop
    self.didFinish = didFinish
    process = CommandProcess(
      on: loop, CommandProcess.Times(grace: limits.grace, drain: limits.drain))
    process.delegate = self
  }

  /// Launches the command.
  ///
  /// - Parameter makeTranscoder: creates the transcoder of an output. Nil leaves the output
  ///   unchanged.
  /// - Throws: `ClassicError` (`system`) if the launch fails.
  func start(
    _ line: String, environment: [SystemString: SystemString],
    makeTranscoder: @escaping () -> Transcoder?
  ) async throws(ClassicError) {
    self.makeTranscoder = makeTranscoder
    let request = SpawnRequest(
      arguments: ["/bin/sh", "-c", SystemString(line)], environment: environment, output: .pipe,
      error: .pipe)
    await withCheckedContinuation { continuation in
      didLaunch = continuation
      process.launch(request)
    }
    if let failure = process.failure { throw ClassicError(.system, failure.message) }
  }

  // MARK: CommandProcessDelegate

  func processDidStart(_ child: any ChildProcess) {
    let outputs = [(Output.standard, child.output), (.error, child.error)]
    pipes = outputs.compactMap { output, stream in
      stream.map { stream in
        OutputPipe(
          stream, transcoder: makeTranscoder(),
          didRead: { [unowned self] chunk in
            pieces.append((output, chunk))
            pipes.forEach { $0.pause() }
            bell.ring()
          },
          didEnd: { [unowned self] in
            bell.ring()
            process.outputDidEnd()
          })
      }
    }
    if wasEnded { pipes.forEach { $0.close() } }
    resumeStart()
  }

  func processWillEnd(_ exit: ProcessExit) {}

  func processNeedsLastOutput() { pipes.forEach { $0.takeLastOutput() } }

  func processDidFinish() {
    hasFinished = true
    bell.ring()
    didFinish(self)
    resumeStart()
  }

  private func resumeStart() {
    didLaunch?.resume()
    didLaunch = nil
  }

  // MARK: Output

  /// The next piece of output. Nil when the command has exited and its outputs have ended, or after
  /// `end()` or `kill()`.
  func next() async -> (output: Output, chunk: Chunk)? {
    guard case .piece(let output, let chunk) = await next(within: nil) else { return nil }
    return (output, chunk)
  }

  /// The next piece of output, the end, or silence if neither comes within that time.
  func next(within nanoseconds: UInt64?) async -> Event {
    var isLate = false
    let timer = nanoseconds.map {
      loop.schedule(after: $0) { [bell] in
        isLate = true
        bell.ring()
      }
    }
    defer { timer?.cancel() }
    while !wasEnded {
      if !pieces.isEmpty {
        let (output, chunk) = pieces.removeFirst()
        return .piece(output, chunk)
      }
      if hasFinished { return .over }
      if isLate { return .silence }
      pipes.forEach { $0.resume() }
      await bell.wait()
    }
    return .over
  }

  /// Closes `output`: a process that writes to it gets SIGPIPE.
  func stop(_ output: Output) {
    // The order is that of `processDidStart`.
    guard pipes.count == 2 else { return }
    pipes[output == .standard ? 0 : 1].close()
    pieces.removeAll { $0.0 == output }
    bell.ring()
  }

  // MARK: The end

  /// Ends the command and all processes that it started: SIGTERM, then SIGKILL after
  /// `ClassicLimits.grace`. Drops its output. After a command has finished on its own, this does
  /// nothing, and processes that it left running continue.
  func end() { end { process.end(.canceled) } }

  /// Like `end()`, but sends SIGKILL at once.
  func kill() { end { process.kill(.canceled) } }

  private func end(_ endProcess: () -> Void) {
    guard !hasFinished else { return }
    pieces = []
    endProcess()
    pipes.forEach { $0.close() }
    bell.ring()
    didEndUnstarted?()
  }
}
