internal import TelpherTransport

/// The lines of standard input. It reads them on its own thread, because a read from a terminal may
/// block forever.
actor LineInput {
  /// The bytes of one read.
  private static let readSize = 16 << 10
  /// The longest line in bytes: far longer than any command that a server accepts.
  private static let longestLine = 1 << 20

  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
  /// The bytes that were read after the last line.
  private var rest: [UInt8] = []
  private var isAtEnd = false
  /// Whether `next()` has returned nil.
  private(set) var hasEnded = false

  /// The next line without its line feed; nil at the end of the input.
  ///
  /// - Throws: `Failure` if standard input can't be read or a line is too long.
  func next() throws -> String? {
    while true {
      if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        defer { rest.removeFirst(end + 1) }
        return String(decoding: rest[..<end], as: UTF8.self)
      }
      guard !isAtEnd else {
        defer { rest = [] }
        hasEnded = rest.isEmpty
        return hasEnded ? nil : String(decoding: rest, as: UTF8.self)
      }
      guard rest.count <= Self.longestLine else {
        throw Failure("a line of standard input has more than \(Self.longestLine) bytes")
      }
      do throws(Descriptor.CallError) {
        if let chunk = try Descriptor.input.read(upTo: Self.readSize) {
          rest.append(contentsOf: chunk)
        } else {
          isAtEnd = true
        }
      } catch {
        throw Failure("cannot read standard input: \(error.text)")
      }
    }
  }
}
