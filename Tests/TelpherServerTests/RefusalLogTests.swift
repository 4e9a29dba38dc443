import Logging
import Synchronization
import TelpherServer
import TelpherTestSupport
import Testing

@Suite(.timeLimit(.minutes(15))) struct RefusalLogTests {
  @Test func textOfStrangersIsEscapedAndLimitedInTheLog() async throws {
    let lines = Lines()
    let clock = ContinuousClock()
    let begin = clock.now
    let logger = Logger(label: "test") { _ in CollectingLogHandler(lines: lines) }
    try await Fixture.inMemory(logger: logger) { fixture in
      for _ in 0..<50 {
        let stranger = try await fixture.stranger()
        await stranger.send(hello(#"{"version":1,"must":["a\nb\u001b[2J"]}"#))
        try await stranger.frame(10)
        await stranger.close()
      }
      let client = try await fixture.client()
      try await client.sync()
    }
    let refusals = lines.all.filter { $0.contains("must be understood") }
    // On a busy machine the strangers take more than one period of 10 s.
    let periods = 1 + Int((clock.now - begin) / .seconds(10))
    #expect((1...10 * periods).contains(refusals.count))
    for line in refusals {
      #expect(line.contains("a\\x0ab\\x1b[2J"))
      #expect(!line.contains("\n") && !line.contains("\u{1B}"))
    }
  }
}

/// Collects the lines of a log.
private final class Lines: Sendable {
  private let lines = Mutex<[String]>([])
  var all: [String] { lines.withLock { $0 } }
  func add(_ line: String) { lines.withLock { $0.append(line) } }
}

private struct CollectingLogHandler: LogHandler {
  let lines: Lines
  var logLevel = Logger.Level.info
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) { lines.add("\(event.message) \(event.metadata ?? [:])") }
}
