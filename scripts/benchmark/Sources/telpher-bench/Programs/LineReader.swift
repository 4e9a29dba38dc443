internal import Glibc
internal import Synchronization

/// Reads lines from a pipe, which it owns and closes.
final class LineReader: Sendable {
  private let descriptor: Int32
  private let rest = Mutex<[UInt8]>([])

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Returns the next line without its line feed; nil at the end of the input.
  ///
  /// - Throws: `Failure` if no line arrives before `deadline` (a time of `monotonicNow()`).
  func next(before deadline: UInt64, of name: String) throws(Failure) -> String? {
    while true {
      if let line = takeLine() { return line }
      let left = Int64(deadline) - Int64(monotonicNow())
      var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard left > 0, poll(&wanted, 1, Int32(clamping: left / 1_000_000 + 1)) != 0 else {
        throw Failure("\(name) printed nothing in time")
      }
      guard read() else { return takeRest() }
    }
  }

  private func read() -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { buffer in
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      guard count > 0 else { return count < 0 && errno == EINTR }
      rest.withLock { $0.append(contentsOf: buffer[..<count]) }
      return true
    }
  }

  private func takeLine() -> String? {
    rest.withLock { rest in
      guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
      defer { rest.removeFirst(end + 1) }
      return String(decoding: rest[..<end], as: UTF8.self)
    }
  }

  private func takeRest() -> String? {
    rest.withLock { rest in
      guard !rest.isEmpty else { return nil }
      defer { rest = [] }
      return String(decoding: rest, as: UTF8.self)
    }
  }
}
