internal import TelpherTransport

/// A question on the terminal. It has a thread of its own, because the read may never return.
actor Question {
  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
  private let terminal: Descriptor
  private let text: String

  init(_ terminal: Descriptor, _ text: String) {
    (self.terminal, self.text) = (terminal, text)
  }

  /// The line that the user types; empty if none can be read.
  func answer() -> String {
    var line: [UInt8] = []
    do throws(Descriptor.CallError) {
      try terminal.write(text)
      // The terminal returns a line at a time.
      if let chunk = try terminal.read(upTo: 256) { line = Array(chunk) }
    } catch {
      return ""
    }
    return String(decoding: line.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }
}
