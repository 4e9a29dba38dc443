internal import CTelpherSys
internal import Glibc
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

  /// The line that the user types; empty if none can be read, or if the task is canceled, for example
  /// by Ctrl-C.
  nonisolated func answer() async -> String {
    var ends: [Int32] = [-1, -1]
    guard telpher_pipe(&ends) == 0 else { return "" }
    let (canceled, cancel) = (ends[0], ends[1])
    let answer = await withTaskCancellationHandler {
      await ask(until: canceled)
    } onCancel: {
      _ = write(cancel, "\n", 1)
    }
    close(canceled)
    close(cancel)
    return answer
  }

  /// Asks, and waits for a line or until `canceled` can be read.
  private func ask(until canceled: Int32) -> String {
    var line: [UInt8] = []
    do throws(Descriptor.CallError) {
      try terminal.write(text)
      var entries = [terminal.number, canceled].map {
        pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
      }
      while poll(&entries, 2, -1) < 0 && errno == EINTR {}
      if entries[1].revents != 0 { return "" }
      // The terminal returns a line at a time.
      if let chunk = try terminal.read(upTo: 256) { line = Array(chunk) }
    } catch {
      return ""
    }
    return String(decoding: line.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }
}
