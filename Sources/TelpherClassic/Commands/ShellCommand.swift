internal import TelpherTransport

/// A client's command. It runs in /bin/sh with empty standard input. Output that is not read stays
/// in its pipes, and then the command waits.
final class ShellCommand {
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
  /// How the command's process ended. Nil while it runs.
  private(set) var exit: ProcessExit?
  /// Whether `end()` or `kill()` was called.
  private(set) var wasEnded = false
  private var wasKilled = false

  private let loop: any EventLoop
  private let limits: ClassicLimits
  private let didFinish: (ShellCommand) -> Void
  private var child: (any ChildProcess)?
  private var pipes: [OutputPipe] = []
  private var pieces: [(Output, Chunk)] = []
  private let bell = Bell()
  private var timer: (any LoopTimer)?
  private var treeTimer: (any LoopTimer)?
  /// How often the server checks whether processes of an ended command are left, in nanoseconds.
  private static let treeInterval: UInt64 = 20_000_000
  private var isReleased = false
  private var failure: SpawnError?

  /// - Parameter didFinish: called once, when the command needs no more attention.
  init(
    on loop: any EventLoop, limits: ClassicLimits, didFinish: @escaping (ShellCommand) -> Void
  ) {
    self.loop = loop
    self.limits = limits
    self.didFinish = didFinish
  }

  /// Launches the command.
  ///
  /// - Parameter makeTranscoder: creates the transcoder of an output. Nil leaves the output
  ///   unchanged.
  /// - Throws: `ClassicError` (`system`) if the launch fails.
  func start(
    _ line: String, environment: [String: String], makeTranscoder: @escaping () -> Transcoder?
  ) async throws(ClassicError) {
    let request = SpawnRequest(
      arguments: ["/bin/sh", "-c", line], environment: environment, output: .pipe, error: .pipe)
    await withCheckedContinuation { continuation in
      loop.spawn(request) { [self] result in
        switch result {
        // Set the callbacks at once: the exit may be reported before the awaiting task continues.
        case .success(let child): adopt(child, makeTranscoder)
        case .failure(let error): failure = error
        }
        continuation.resume()
      }
    }
    guard let failure else { return }
    isReleased = true
    didFinish(self)
    throw ClassicError(.system, failure.message)
  }

  private func adopt(_ child: any ChildProcess, _ makeTranscoder: () -> Transcoder?) {
    self.child = child
    let outputs = [(Output.standard, child.output), (.error, child.error)]
    pipes = outputs.compactMap { output, stream in
      stream.map { stream in
        OutputPipe(stream, transcoder: makeTranscoder()) { [unowned self] chunk in
          if let chunk { pieces.append((output, chunk)) }
          pipes.forEach { $0.pause() }
          bell.ring()
        }
      }
    }
    child.onExit = { [self] exit in
      self.exit = exit
      didExit()
    }
    if wasEnded { terminate() }
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
      if exit != nil, pipes.allSatisfy(\.hasEnded) {
        release()
        return .over
      }
      if isLate { return .silence }
      pipes.forEach { $0.resume() }
      await bell.wait()
    }
    return .over
  }

  /// Closes `output`: a process that writes to it gets SIGPIPE.
  func stop(_ output: Output) {
    // The order is that of `adopt`.
    guard pipes.count == 2 else { return }
    pipes[output == .standard ? 0 : 1].close()
    pieces.removeAll { $0.0 == output }
    bell.ring()
  }

  // MARK: The end

  private func didExit() {
    bell.ring()
    if wasEnded { return checkTree() }
    guard !pipes.allSatisfy(\.hasEnded) else { return }
    timer = loop.schedule(after: limits.drain) { [self] in
      pipes.forEach { $0.takeLastOutput() }
      bell.ring()
    }
  }

  /// Ends the command and all processes that it started: SIGTERM, then SIGKILL after
  /// `ClassicLimits.grace`. Drops its output. After a command has finished on its own, this does
  /// nothing, and processes that it left running continue.
  func end() {
    guard !wasEnded, !isReleased else { return }
    wasEnded = true
    pieces = []
    pipes.forEach { $0.close() }
    bell.ring()
    didEndUnstarted?()
    if child != nil { terminate() }
  }

  /// Like `end()`, but sends SIGKILL at once.
  func kill() {
    wasKilled = true
    end()
    guard let child, !isReleased else { return }
    child.signalTree(9)
    if exit != nil { release() }
  }

  private func terminate() {
    guard let child else { return }
    pipes.forEach { $0.close() }
    child.signalTree(15)
    // SIGCONT: a stopped process would not react to SIGTERM.
    child.signalTree(18)
    if wasKilled { child.signalTree(9) }
    timer?.cancel()
    timer = loop.schedule(after: limits.grace) { [self] in kill() }
    if exit != nil { checkTree() }
  }

  /// After the exit of a command that was ended: checks whether other processes of it are left.
  /// After SIGKILL none can be.
  private func checkTree() {
    guard !isReleased else { return }
    if wasKilled || child?.hasSurvivors != true { return release() }
    treeTimer?.cancel()
    treeTimer = loop.schedule(after: Self.treeInterval) { [self] in checkTree() }
  }

  private func release() {
    guard !isReleased else { return }
    isReleased = true
    [timer, treeTimer].forEach { $0?.cancel() }
    pipes.forEach { $0.close() }
    child?.release()
    didFinish(self)
  }
}
