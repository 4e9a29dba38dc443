import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherClassic

/// The server of `size`, with clients that acknowledge sizes and clients that do not.
@Suite(.timeLimit(.minutes(5)))
struct SizeDialectTests {
  /// Starts a server. Tests that wait for the end of a time use `short`; the others use a time that
  /// never passes during the test.
  private func rig(
    pause: UInt64, late: UInt64 = SizeDialectTests.long, second: UInt64 = 60_000_000_000
  ) async throws -> ClassicRig {
    var limits = ClassicLimits()
    limits.acknowledgement = pause
    limits.lateAcknowledgement = late
    limits.secondMessage = second
    return try await ClassicRig(.size, limits: limits, ["true": { $0.exit(0) }])
  }

  /// Returns after the server has read what was written before: it has answered another client
  /// meanwhile.
  private func letRead(_ rig: ClassicRig) async throws {
    let client = try await rig.client()
    try await client.write("true")
    #expect(try await client.text(1) == "0")
    await client.close()
  }

  private static let long: UInt64 = 600_000_000_000
  private static let short: UInt64 = 1_000_000

  @Test func anAcknowledgementIsFollowedByTheAnswerAtOnce() async throws {
    let rig = try await rig(pause: Self.long)
    let client = try await rig.client()
    for text in ["recv_ready", "whatever it says", "x"] {
      try await client.write("hello")
      #expect(try await client.text(1) == "5")
      try await client.write(text)
      #expect(try await client.text(5) == "hello")
    }
    await rig.end()
  }

  @Test func aClientWithoutAcknowledgementsGetsTheAnswerAfterThePause() async throws {
    let rig = try await rig(pause: Self.short, second: Self.short)
    let client = try await rig.client()
    for number in 10..<20 {
      try await client.write("hello \(number)")
      #expect(try await client.text(9) == "8hello \(number)")
    }
    await rig.end()
  }

  @Test func aClientWithoutAcknowledgementsContinuesAfterEmptyAnswers() async throws {
    let rig = try await rig(pause: Self.short, second: Self.short)
    let client = try await rig.client()
    for _ in 0..<3 {
      try await client.write("true")
      #expect(try await client.text(1) == "0")
    }
    try await client.write("hello")
    #expect(try await client.text(6) == "5hello")
    await rig.end()
  }

  @Test(arguments: ["recv_ready", "ok", "准备好接收了", "recv_ready\n", "ok\r\n"])
  func aLateAcknowledgementIsNotRun(_ text: String) async throws {
    let rig = try await rig(pause: Self.short)
    let client = try await rig.client()
    try await client.write("hello")
    #expect(try await client.text(6) == "5hello")
    try await client.write(text)
    try await letRead(rig)
    // From now on the server knows that this client acknowledges, and waits for it.
    try await client.write("again")
    #expect(try await client.text(1) == "5")
    try await client.write(text)
    #expect(try await client.text(5) == "again")
    await rig.end()
  }

  @Test func aClientThatAcknowledgesEachAnswerAfterItGetsAllAnswers() async throws {
    let rig = try await rig(pause: Self.short, late: Self.short)
    let client = try await rig.client()
    for number in 10..<20 {
      try await client.write("hello \(number)")
      #expect(try await client.text(9) == "8hello \(number)")
      try await client.write("recv_ready")
      try await letRead(rig)
    }
    await rig.end()
  }

  @Test func aKnownAcknowledgementIsNotRunAfterAnswersWithoutOne() async throws {
    let rig = try await rig(pause: Self.short, late: Self.short, second: Self.short)
    let client = try await rig.client()
    for _ in 0..<2 {
      try await client.write("hello")
      #expect(try await client.text(6) == "5hello")
    }
    try await client.write("recv_ready")
    try await letRead(rig)
    try await client.write("again")
    #expect(try await client.text(6) == "5again")
    await rig.end()
  }

  @Test func aLateAcknowledgementIsSeparatedFromTheCommand() async throws {
    let rig = try await rig(pause: Self.short)
    let client = try await rig.client()
    try await client.write("hello")
    #expect(try await client.text(6) == "5hello")
    try await client.write("recv_readyagain")
    #expect(try await client.text(1) == "5")
    try await client.write("recv_ready")
    #expect(try await client.text(5) == "again")
    await rig.end()
  }

  @Test func aLateUnknownAcknowledgementIsRecognizedByTheNextMessage() async throws {
    let rig = try await rig(pause: Self.short)
    let client = try await rig.client()
    try await client.write("true")
    #expect(try await client.text(1) == "0")
    try await client.write("I can take it now")
    try await letRead(rig)
    try await client.write("hello")
    #expect(try await client.text(1) == "5")
    try await client.write("I can take it now")
    #expect(try await client.text(5) == "hello")
    await rig.end()
  }

  @Test func anAcknowledgementAfterAnEmptyAnswerIsSeparatedFromTheCommand() async throws {
    let rig = try await rig(pause: Self.long)
    let client = try await rig.client()
    // Without an earlier acknowledgement, the server compares with the tutorials' texts.
    try await client.write("true")
    #expect(try await client.text(1) == "0")
    try await client.write("recv_readyfirst")
    #expect(try await client.text(1) == "5")
    try await client.write("I am ready")
    #expect(try await client.text(5) == "first")
    try await client.write("true")
    #expect(try await client.text(1) == "0")
    try await client.write("I am readysecond")
    #expect(try await client.text(1) == "6")
    try await client.write("ok")
    #expect(try await client.text(6) == "second")
    await rig.end()
  }

  @Test func aKnownAcknowledgementIsAwaitedBeyondThePause() async throws {
    let rig = try await rig(pause: Self.short)
    let client = try await rig.client()
    try await client.write("hello")
    #expect(try await client.text(6) == "5hello")
    try await client.write("recv_ready")
    try await letRead(rig)
    for _ in 0..<3 {
      try await client.write("again")
      // The read brings only the size. Without a wait, the answer would be in this read or the next.
      #expect(try await client.readOnce() == "5")
      try await client.write("recv_ready")
      #expect(try await client.readOnce() == "again")
    }
    await rig.end()
  }
}
