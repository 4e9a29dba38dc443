internal import TelpherClassic
internal import TelpherTransport

/// A client of a tutorial's server, connected to this process's standard streams.
struct ClassicTalk {
  let client: ClassicClient
  private let output = AnswerSink(.output)
  private let error = AnswerSink(.error)

  init(client: ClassicClient) {
    self.client = client
  }

  /// Asks what is typed, until `quit` or the end.
  ///
  /// - Parameter takesEmptyLines: whether an empty line is sent, too.
  /// - Throws: `ClassicError`, `Failure`.
  func askWhatIsTyped(takesEmptyLines: Bool = false) async throws {
    let prompt = Prompt(takesEmptyLines: takesEmptyLines)
    try await untilOutputCloses {
      while let line = try await prompt.next() {
        do {
          try await pass(line, isLast: false, endsLine: true)
        } catch let error as ClassicError where error.code == .silent {
          // A datagram was lost; the next may not be.
          Descriptor.complain(error.message)
        }
      }
    }
  }

  /// Asks once, and passes the answer on as it comes.
  ///
  /// - Parameter endsLine: whether a line's end is added to an answer without one.
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

  /// That nobody reads the answers any more is no failure: `... | head -1` ends so.
  private func untilOutputCloses(_ body: () async throws -> Void) async throws {
    do { try await body() } catch is AnswerSink.Closed {}
    await client.close()
  }
}

/// Where answers go.
actor AnswerSink {
  /// Nobody reads what is written.
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

  /// Ends a line that has begun.
  func endLine() async throws {
    if let lastByte, lastByte != UInt8(ascii: "\n") { try await write(Chunk("\n")) }
    lastByte = nil
  }
}
