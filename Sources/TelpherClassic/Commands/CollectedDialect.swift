internal import TelpherTransport

/// A dialect that tells how long an answer is before it sends it, so that the answer has to be whole
/// first.
protocol CollectedDialect: CommandDialect {
  /// The longest answer it can announce, or that is kept.
  func longestAnswer(_ limits: ClassicLimits) -> Int64

  /// Sends `answer`.
  ///
  /// - Throws: `ClassicError` (`lost`) where the client is gone.
  func send(_ answer: Answer, to client: PulledStream) async throws(ClassicError)
}

extension CollectedDialect {
  func longestAnswer(_ limits: ClassicLimits) -> Int64 { limits.collectedBytes }

  func answer(
    _ command: ShellCommand, to client: PulledStream, _ shell: Shell
  ) async throws(ClassicError) {
    let answer = try await Answer(
      of: command, limit: longestAnswer(shell.limits), shell.limits)
    guard !command.wasEnded else {
      throw ClassicError(.lost, "the client went while its command ran")
    }
    try await send(answer, to: client)
  }

  func send(note: [UInt8], to client: PulledStream) async throws(ClassicError) {
    try await send(Answer(note: note), to: client)
  }
}
