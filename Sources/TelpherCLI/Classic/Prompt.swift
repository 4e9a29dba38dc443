internal import TelpherClassic
internal import TelpherTransport

/// Asks for lines, on standard error as a shell does: standard output has the answers alone, and may
/// go into a file.
struct Prompt {
  /// Whether an empty line is one that says something.
  var takesEmptyLines = false
  private let lines = InputLines()

  /// Whether standard input has ended.
  var hasEnded: Bool { get async { await lines.hasEnded } }

  /// The next line that says something; nil at `quit` or the end.
  ///
  /// - Throws: `Failure` where standard input can't be read.
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

/// The lines of this process's standard input.
actor InputLines {
  /// What one read may bring.
  private static let readSize = 16 << 10
  /// The longest line: far longer than any command that a server takes.
  private static let longestLine = 1 << 20

  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
  private var bytes: [UInt8] = []
  /// Whether nothing more will come.
  private(set) var hasEnded = false

  /// The next line, without its end; nil at the end of the input.
  ///
  /// - Throws: `Failure` where it can't be read.
  func next() throws -> String? {
    while true {
      if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
        defer { bytes.removeFirst(end + 1) }
        return String(decoding: bytes[..<end], as: UTF8.self)
      }
      guard bytes.count <= Self.longestLine else { throw Failure("a line is too long") }
      do throws(Descriptor.CallError) {
        guard let chunk = try Descriptor.input.read(upTo: Self.readSize) else {
          hasEnded = bytes.isEmpty
          defer { bytes = [] }
          return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
        }
        bytes.append(contentsOf: chunk)
      } catch {
        throw Failure("cannot read standard input: \(error.text)")
      }
    }
  }
}
