internal import TelpherTransport

/// A program of the memory backend: a closure that gets its arguments, environment and standard
/// streams, and calls `exit` at its end.
///
///     network.register("greet", MemoryProgram { process in
///       process.print("hello \(process.arguments[1])\n")
///       process.exit(0)
///     })
package struct MemoryProgram: Sendable {
  /// Called on the loop's thread once the parent has its child. It sets callbacks or a timer and
  /// returns soon; the program runs until `MemoryProcess.exit` or a signal.
  package var main: @Sendable (MemoryProcess) -> Void

  /// A program.
  package init(_ main: @escaping @Sendable (MemoryProcess) -> Void) {
    self.main = main
  }
}

extension MemoryProcess {
  /// Writes the UTF-8 bytes of `text` to standard output.
  ///
  /// - Returns: as `ByteStream.write`: false while more should wait for `onWritable`.
  @discardableResult
  package func print(_ text: String) -> Bool { output.write(Chunk(text)) }

  /// Writes the UTF-8 bytes of `text` to standard error.
  ///
  /// - Returns: as `ByteStream.write`: false while more should wait for `onWritable`.
  @discardableResult
  package func printError(_ text: String) -> Bool { error.write(Chunk(text)) }
}

extension ByteStream {
  /// A write without a head.
  func write(_ chunk: Chunk) -> Bool {
    write(UnsafeRawBufferPointer(start: nil, count: 0), chunk)
  }
}
