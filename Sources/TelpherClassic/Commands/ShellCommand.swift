internal import TelpherTransport

/// A command of a client, run by /bin/sh with nothing on its input. Its output is pulled; what is
/// not pulled stays in its pipes, and the command waits.
final class ShellCommand {
  /// Where a piece of output comes from.
  enum Output: Sendable {
    case standard
    case error
  }

  /// The next thing that a command brings.
  enum Event {
    /// A piece of output.
    case piece(Output, Chunk)
    /// All is over: it has exited and its outputs have ended, or it was ended from here.
    case over
    /// Nothing came in time.
    case silence
  }

  /// Called when it is ended before it was started.
  var didEndUnstarted: (() -> Void)?
  /// How it ended; nil while it runs.
  private(set) var exit: ProcessExit?
  /// Whether it was ended from here.
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
  /// How often a tree that was asked to end is looked at.
  private static let treeInterval: UInt64 = 20_000_000
  private var isReleased = false
  private var failure: SpawnError?

  /// - Parameter didFinish: told once, when nothing of it is left to look after.
  init(
    on loop: any EventLoop, limits: ClassicLimits, didFinish: @escaping (ShellCommand) -> Void
  ) {
    self.loop = loop
    self.limits = limits
    self.didFinish = didFinish
  }

  /// Launches the command.
  ///
  /// - Parameter makeTranscoder: makes what each output is turned into another encoding with.
  /// - Throws: `ClassicError` (`system`) where that fails.
  func start(
    _ line: String, environment: [String: String], makeTranscoder: @escaping () -> Transcoder?
  ) async throws(ClassicError) {
    let request = SpawnRequest(
      arguments: ["/bin/sh", "-c", line], environment: environment, output: .pipe, error: .pipe)
    await withCheckedContinuation { continuation in
      loop.spawn(request) { [self] result in
        switch result {
        // At once: its exit may be told before whoever waits here goes on.
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

  /// The next piece of output; nil when all is over: it has exited and its outputs have ended, or it
  /// was ended from here.
  func next() async -> (output: Output, chunk: Chunk)? {
    guard case .piece(let output, let chunk) = await next(within: nil) else { return nil }
    return (output, chunk)
  }

  /// The next piece of output, or the end, or silence when neither comes within so many nanoseconds.
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

  /// No more of `output` is wanted: who writes to it gets SIGPIPE.
  func stop(_ output: Output) {
    // In the order in which `adopt` makes them.
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

  /// Ends it, with all that came from it: SIGTERM, the grace, SIGKILL. Its output is dropped.
  /// Harmless when it has finished; what it left behind on purpose goes on then.
  func end() {
    guard !wasEnded, !isReleased else { return }
    wasEnded = true
    pieces = []
    pipes.forEach { $0.close() }
    bell.ring()
    didEndUnstarted?()
    if child != nil { terminate() }
  }

  /// As `end()`, without the grace.
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
    // A stopped process would not notice.
    child.signalTree(18)
    if wasKilled { child.signalTree(9) }
    timer?.cancel()
    timer = loop.schedule(after: limits.grace) { [self] in kill() }
    if exit != nil { checkTree() }
  }

  /// After the exit of one that is to end: the others may have gone with it. After SIGKILL nobody is
  /// left to look after.
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
