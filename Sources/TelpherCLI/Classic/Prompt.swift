internal import TelpherClassic

/// Reads lines at a prompt. The prompt goes to standard error, as a shell's does, so that standard
/// output has only the answers and can be redirected to a file.
struct Prompt {
  /// Whether `next()` returns empty lines instead of skipping them.
  var takesEmptyLines = false
  private let lines = LineInput()

  /// Whether standard input has ended.
  var hasEnded: Bool { get async { await lines.hasEnded } }

  /// The next line. Nil after `quit` or at the end of standard input.
  ///
  /// - Throws: `Failure` if standard input cannot be read.
  func next() async throws -> String? {
    while true {
      try? Descriptor.error.write(PromptLine.prompt)
      guard let line = try await lines.next() else {
        try? Descriptor.error.write("\n")
        return nil
      }
      switch PromptLine(line) {
      case .text(let text): return text
      case .empty where takesEmptyLines: return ""
      case .empty: continue
      case .quit: return nil
      }
    }
  }
}
