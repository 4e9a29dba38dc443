internal import TelpherClassic
internal import TelpherTransport

/// Connects a client of a tutorial's server to standard input, output and error.
struct ClassicTalk {
  let client: ClassicClient
  private let output = AnswerSink(.output)
  private let error = AnswerSink(.error)

  init(client: ClassicClient) {
    self.client = client
  }

  /// Sends each line that the user types, until `quit` or the end of standard input.
  ///
  /// - Parameter takesEmptyLines: whether empty lines are sent, too.
  /// - Throws: `ClassicError`, `Failure`.
  func askTypedLines(takesEmptyLines: Bool = false) async throws {
    let prompt = Prompt(takesEmptyLines: takesEmptyLines)
    try await untilOutputCloses {
      while let line = try await prompt.next() {
        do {
          try await pass(line, isLast: false, endsLine: true)
        } catch let error as ClassicError where error.code == .silent {
          // A datagram may be lost; the next line can still succeed.
          Descriptor.complain(error.message)
        }
      }
    }
  }

  /// Sends `text` once and prints the answer as it arrives.
  ///
  /// - Parameter endsLine: whether to add a line's end to an answer without one.
  /// - Throws: `ClassicError`, `Failure`.
  func askOnce(_ text: String, endsLine: Bool = false) async throws {
    try await untilOutputCloses { try await pass(text, isLast: true, endsLine: endsLine) }
  }

  private func pass(_ text: String, isLast: Bool, endsLine: Bool) async throws {
    try await client.ask(text, isLast: isLast) { [output, error] stream, chunk in
      try await (stream == .standard ? output : error).write(chunk)
    }
    if endsLine {
      try await output.endLine()
      try await error.endLine()
    }
  }

  /// Runs `body` and closes the client. If the reader of the answers ends first, as in `... | head
  /// -1`, this is not a failure.
  private func untilOutputCloses(_ body: () async throws -> Void) async throws {
    do { try await body() } catch is AnswerSink.Closed {}
    await client.close()
  }
}

/// Writes answers to a descriptor.
actor AnswerSink {
  /// The reader of the descriptor has closed it.
  struct Closed: Error {}

  private let sink: DescriptorSink
  private var lastByte: UInt8?

  init(_ descriptor: Descriptor) {
    sink = DescriptorSink(descriptor)
  }

  func write(_ chunk: Chunk) async throws {
    guard !chunk.isEmpty else { return }
    lastByte = chunk.withUnsafeBytes { $0.last }
    guard try await sink.write(chunk) else { throw Closed() }
  }

  /// Writes a line's end, unless the last answer ended with one or was empty.
  func endLine() async throws {
    if let lastByte, lastByte != UInt8(ascii: "\n") { try await write(Chunk("\n")) }
    lastByte = nil
  }
}
