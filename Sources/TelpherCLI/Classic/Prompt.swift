internal import TelpherClassic
internal import TelpherTransport

/// Reads lines at a prompt. The prompt goes to standard error, as a shell's does, so that standard
/// output has only the answers and can be redirected to a file.
struct Prompt {
  /// Whether `next()` returns empty lines instead of skipping them.
  var takesEmptyLines = false
  private let lines = InputLines()

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

/// The lines of standard input.
actor InputLines {
  /// The bytes of one read.
  private static let readSize = 16 << 10
  /// The longest line in bytes: far longer than any command that a server accepts.
  private static let longestLine = 1 << 20

  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
  private var bytes: [UInt8] = []
  /// Whether standard input has ended and all lines were returned.
  private(set) var hasEnded = false

  /// The next line, without its end. Nil at the end of standard input.
  ///
  /// - Throws: `Failure` if standard input cannot be read or a line is too long.
  func next() throws -> String? {
    while true {
      if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
        defer { bytes.removeFirst(end + 1) }
        return String(decoding: bytes[..<end], as: UTF8.self)
      }
      guard bytes.count <= Self.longestLine else {
        throw Failure("a line of standard input has more than \(Self.longestLine) bytes")
      }
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
