import TelpherNIO
import TelpherTransport

/// Runs `body` with a loop that starts children, then shuts the loop down.
func withLoop<Result>(_ body: (NIOLoop) async throws -> Result) async throws -> Result {
  let loop = NIOLoop(launcher: try SubprocessLauncher())
  let result: Swift.Result<Result, any Error>
  do { result = .success(try await body(loop)) } catch { result = .failure(error) }
  await loop.shutDown()
  return try result.get()
}

extension NIOLoop {
  /// Runs `body` on the loop and returns the value that is passed to `done`, now or in a callback.
  func run<Result: Sendable>(
    _ body: @escaping @Sendable (_ done: @escaping @Sendable (Result) -> Void) -> Void
  ) async -> Result {
    await withCheckedContinuation { continuation in
      execute { body { continuation.resume(returning: $0) } }
    }
  }

  /// Runs a command and returns how it ended and what it wrote, or why it was not started.
  func collect(_ request: SpawnRequest) async -> Result<Collected, SpawnError> {
    await run { done in
      self.spawn(request) { spawned in
        switch spawned {
        case .success(let child): Collector(child) { done(.success($0)) }.start()
        case .failure(let error): done(.failure(error))
        }
      }
    }
  }
}

/// The exit and output of a command.
struct Collected: Sendable {
  var exit: ProcessExit
  var output: String
}

/// Collects the exit and output of a child. Its closures keep it alive.
private final class Collector {
  private let child: any ChildProcess
  private let done: (Collected) -> Void
  private var exit: ProcessExit?
  private var output: [UInt8] = []
  private var hasEnded = false

  init(_ child: any ChildProcess, _ done: @escaping (Collected) -> Void) {
    self.child = child
    self.done = done
  }

  func start() {
    child.onExit = { [self] in
      exit = $0
      check()
    }
    child.error?.close()
    child.output?.onRead = { [self] in output.append(contentsOf: $0) }
    child.output?.onEnd = { [self] _ in
      hasEnded = true
      check()
    }
    child.output?.resumeReading()
  }

  private func check() {
    guard let exit, hasEnded else { return }
    child.release()
    child.output?.close()
    done(Collected(exit: exit, output: String(decoding: output, as: UTF8.self)))
  }
}
