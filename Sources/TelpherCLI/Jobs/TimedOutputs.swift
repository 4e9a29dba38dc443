internal import TelpherClient
internal import TelpherTransport
internal import TelpherWire

/// Prints the two outputs of a durable job with the time of each line, in the order in which the job
/// has written them.
struct TimedOutputs {
  /// One of them.
  private struct Output {
    let output: CommandOutput
    let sink: DescriptorSink
    var iterator: CommandOutput.Iterator
    var rest = Chunk([])
    var lines = TimestampedLines()
    /// Whether the reader of what is printed still reads.
    var isOpen = true

    init(_ output: CommandOutput, to sink: DescriptorSink) {
      (self.output, self.sink, iterator) = (output, sink, output.makeAsyncIterator())
    }

    /// Prints the next `count` bytes, which were read at `time`.
    mutating func print(_ count: UInt64, at time: Int64) async throws {
      var count = count
      while isOpen, count > 0 {
        if rest.isEmpty {
          guard let next = try await iterator.next() else {
            throw Failure("the server sent a time without its output")
          }
          rest = next
        }
        let part = rest.removePrefix(Int(min(UInt64(rest.count), count)))
        count -= UInt64(part.count)
        let marked = part.withUnsafeBytes { lines.mark($0, at: time) }
        isOpen = try await sink.write(Chunk(marked))
        // The reader has closed it, as in `telpher logs --timestamps | head`.
        if !isOpen { await output.stop() }
      }
    }

    /// Checks that nothing is left after the last time.
    mutating func finish() async throws {
      guard isOpen else { return }
      let next = rest.isEmpty ? try await iterator.next() : rest
      guard next == nil else { throw Failure("the server sent output without its time") }
    }
  }

  private var output: Output
  private var error: Output

  /// Prints both outputs of `handle`, whose request asks for times, until they end.
  ///
  /// - Throws: `ClientError`, `Failure`.
  static func pass(
    of handle: RunningCommand, to output: DescriptorSink, _ error: DescriptorSink
  ) async throws {
    var outputs = TimedOutputs(
      output: Output(handle.output, to: output), error: Output(handle.error, to: error))
    // The server sends the times and the bytes of both outputs in the order of the journal.
    while let time = await handle.nextTime() {
      switch Channel(rawValue: time.channel) {
      case .stdout: try await outputs.output.print(time.bytes, at: time.timeNS)
      case .stderr: try await outputs.error.print(time.bytes, at: time.timeNS)
      case .stdin, .terminal, .file, .index, nil:
        throw Failure("the server sent the time of something else than an output")
      }
    }
    try await outputs.output.finish()
    try await outputs.error.finish()
  }
}
