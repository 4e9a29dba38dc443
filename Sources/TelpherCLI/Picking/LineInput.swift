internal import TelpherTransport

/// Reads standard input line by line on its own thread, because a read from a terminal may block
/// forever.
actor LineInput {
  /// The longest line in bytes, far longer than any number to pick.
  private static let longest = 4_096

  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
  private var rest: [UInt8] = []
  private var isAtEnd = false

  /// The next line without its line feed; nil at the end of the input.
  ///
  /// - Throws: `Failure` if standard input can't be read.
  func next() throws -> String? {
    while true {
      if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        defer { rest.removeFirst(end + 1) }
        return String(decoding: rest[..<end], as: UTF8.self)
      }
      guard !isAtEnd, rest.count <= Self.longest else {
        defer { rest = [] }
        return rest.isEmpty ? nil : String(decoding: rest, as: UTF8.self)
      }
      do throws(Descriptor.CallError) {
        if let chunk = try Descriptor.input.read(upTo: Self.longest) {
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
