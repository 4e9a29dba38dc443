internal import TelpherTransport

/// Reads standard input line by line, on a thread of its own: a terminal may wait for ever.
actor LineInput {
  /// The longest line that is looked at: nobody's number is longer.
  private static let longest = 4_096

  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
  private var rest: [UInt8] = []
  private var isAtEnd = false

  /// The next line without its end; nil at the end of the input.
  ///
  /// - Throws: `Failure` where it can't be read.
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
