internal import TelpherTransport

/// A dialect that announces the length of an answer. The server collects the whole answer before it
/// sends it.
protocol CollectedDialect: CommandDialect {
  /// The longest answer that the dialect can announce or the server stores, in bytes.
  func longestAnswer(_ limits: ClassicLimits) -> Int64

  /// Sends `answer`.
  ///
  /// - Throws: `ClassicError` (`lost`) if the client is gone.
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
      throw ClassicError(.lost, "the command was ended before its answer was complete")
    }
    try await send(answer, to: client)
  }

  func send(note: [UInt8], to client: PulledStream) async throws(ClassicError) {
    try await send(Answer(note: note), to: client)
  }
}
