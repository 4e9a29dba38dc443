internal import CTelpherSys
internal import Glibc
internal import TelpherText
internal import TelpherTransport

/// A relay's standard error, which the process that carries its connection shares: until the relay
/// is detached, the text goes to the user; after that only the last bytes are kept, for error
/// messages.
final class DiagnosticPipe: Sendable {
  private struct State {
    /// Where the text goes; nil once the relay is detached.
    var sink: Int32?
    /// The last bytes since then.
    var tail: [UInt8] = []
  }

  /// The most bytes of text that are kept.
  private static let keptLength = 256

  private let input: Int32
  private let state: Monitor<State>

  /// Replaces this process's standard error by a pipe; nil if there are no descriptors.
  static func install() -> DiagnosticPipe? {
    var ends: [Int32] = [-1, -1]
    guard telpher_pipe(&ends) == 0 else { return nil }
    let sink = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
    guard sink >= 0, dup2(ends[1], STDERR_FILENO) >= 0,
      fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0
    else { return nil }
    close(ends[1])
    let pipe = DiagnosticPipe(input: ends[0], sink: sink)
    return startThread({ pipe.copyForever() }) == 0 ? pipe : nil
  }

  private init(input: Int32, sink: Int32) {
    self.input = input
    state = Monitor(State(sink: sink))
  }

  /// Passes on what was written so far, and closes the original standard error.
  func detach() {
    state.withLock { state in
      _ = Self.copy(input, &state)
      if let sink = state.sink { close(sink) }
      state.sink = nil
    }
  }

  /// The last line that was written since `detach()`; empty if there is none.
  var lastLine: String {
    let tail = state.withLock { state in
      _ = Self.copy(input, &state)
      return state.tail
    }
    let line = tail.split(separator: UInt8(ascii: "\n")).last ?? []
    return ShownText.escaped(line.filter { $0 != UInt8(ascii: "\r") })
  }

  private func copyForever() {
    var entry = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
    while true {
      _ = poll(&entry, 1, -1)
      guard state.withLock({ Self.copy(input, &$0) }) else { return }
    }
  }

  /// Copies what can be read now.
  ///
  /// - Returns: false at the end of the pipe.
  private static func copy(_ input: Int32, _ state: inout State) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 4_096)
    while true {
      let count = read(input, &bytes, bytes.count)
      guard count > 0 else { return count < 0 && (errno == EAGAIN || errno == EINTR) }
      if let sink = state.sink {
        // The user may have closed standard error; the text is then lost, as without a relay.
        _ = try? Descriptor(number: sink, name: "standard error")
          .write(UnsafeRawBufferPointer(rebasing: bytes.withUnsafeBytes { $0 }[..<count]))
      } else {
        state.tail = Array((state.tail + bytes[..<count]).suffix(keptLength))
      }
    }
  }
}
