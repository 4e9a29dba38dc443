internal import TelpherClient

/// Standard input for many hosts. It is read once, as fast as the disk stores it, into a temporary
/// file. So each host gets all of it at its own pace, also a host that starts later.
actor BroadcastInput {
  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let file: SpillFile
  /// The bytes that have been read.
  private var count = 0
  private var hasEnded = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  /// The most bytes that are sent to a host at once.
  private static let piece = 64 << 10

  /// - Throws: `Failure` if there is no temporary file.
  init(environment: [String: String]) throws(Failure) {
    file = try SpillFile(environment: environment)
  }

  /// Reads all of standard input.
  ///
  /// - Throws: `Failure` if it can't be read or kept.
  nonisolated func readAll() async throws {
    let source = InputSource()
    while let chunk = try await source.read() { try await add(chunk) }
    await end()
  }

  /// Sends all of it to a command, and then the end. If the command takes no more, that is no failure.
  nonisolated func send(to command: RunningCommand) async {
    var offset = 0
    do {
      while let chunk = try await next(after: offset) {
        try await command.input.write(chunk)
        offset += chunk.count
      }
    } catch {
      return
    }
    await command.input.finish()
  }

  private func add(_ chunk: Chunk) throws(Failure) {
    let result: Result<Int, Failure> = chunk.withUnsafeBytes { bytes in
      do throws(Failure) { return .success(try file.append(bytes)) } catch {
        return .failure(error)
      }
    }
    _ = try result.get()
    count += chunk.count
    wake()
  }

  private func end() {
    hasEnded = true
    wake()
  }

  private func wake() {
    let resumed = waiting
    waiting = []
    resumed.forEach { $0.resume() }
  }

  /// The bytes from `offset` on, once there are some; nil at the end.
  private func next(after offset: Int) async throws(Failure) -> Chunk? {
    while offset == count {
      if hasEnded { return nil }
      await withCheckedContinuation { waiting.append($0) }
    }
    return Chunk(try file.read(offset..<min(count, offset + Self.piece)))
  }
}
