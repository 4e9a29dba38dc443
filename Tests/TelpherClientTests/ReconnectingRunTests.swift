import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherClient

struct OutputPositionTests {
  private func gap(_ offset: UInt64, _ bytes: UInt64) -> JobMark.Gap {
    JobMark.Gap(channel: 1, offset: offset, bytes: bytes, reason: "dropped")
  }

  @Test func missingBytesAreSteppedOverWhereTheyAre() {
    var position = OutputPosition()
    position.advance(by: 10)
    position.skip(gap(15, 100))
    position.skip(gap(120, 1))
    #expect(position.offset == 10)
    // One chunk may reach over a gap.
    position.advance(by: 8)
    #expect(position.offset == 118)
    position.advance(by: 2)
    #expect(position.offset == 121)
  }

  @Test func aGapAtThePositionIsPassedAtOnce() {
    var position = OutputPosition()
    position.skip(gap(0, 7))
    #expect(position.offset == 7)
    // The next connection may announce what was passed, or a part of it.
    position.skip(gap(0, 7))
    #expect(position.offset == 7)
    position.skip(gap(3, 10))
    #expect(position.offset == 13)
    position.skip(gap(.max, .max))
    #expect(position.offset == 13)
  }

  @Test func gapsThatWereNotReachedAreAnnouncedAgain() {
    var position = OutputPosition()
    position.skip(gap(5, 5))
    position.disconnect()
    position.advance(by: 5)
    #expect(position.offset == 5)
  }
}

struct InputReplayTests {
  private func text(_ chunk: Chunk?) -> String? {
    chunk.map { String(decoding: Array($0), as: UTF8.self) }
  }

  @Test func aNewConnectionContinuesAtTheJobsPosition() async throws {
    let input = InputReplay()
    #expect(await input.add(Chunk(Array("abc".utf8))))
    #expect(await input.add(Chunk(Array("defg".utf8))))
    await input.finish()
    let first = try #require(await input.begin(at: 0))
    #expect(text(try await input.next(from: 0, first)) == "abc")
    #expect(text(try await input.next(from: 3, first)) == "defg")
    #expect(try await input.next(from: 7, first) == nil)
    await input.accept(2)
    let second = try #require(await input.begin(at: 5))
    #expect(text(try await input.next(from: 5, second)) == "fg")
    #expect(try await input.next(from: 7, second) == nil)
    await #expect(throws: InputReplay.End.self) { try await input.next(from: 0, first) }
  }

  @Test func aPositionThatTheInputDoesNotHaveIsRefused() async throws {
    let input = InputReplay()
    #expect(await input.add(Chunk(Array("abc".utf8))))
    #expect(await input.begin(at: 4) == nil)
    await input.accept(2)
    #expect(await input.begin(at: 1) == nil)
    #expect(await input.begin(at: 2) != nil)
  }

  @Test func aSenderThatWaitsIsInterrupted() async throws {
    let input = InputReplay()
    let number = try #require(await input.begin(at: 0))
    let waiting = Task { try await input.next(from: 0, number) }
    await input.interrupt()
    await #expect(throws: InputReplay.End.self) { try await waiting.value }
  }

  @Test func theReaderOfTheInputWaitsForTheJob() async throws {
    let input = InputReplay()
    let piece = Chunk([UInt8](repeating: 1, count: 1 << 20))
    for _ in 0..<4 { #expect(await input.add(piece)) }
    let fifth = Task { await input.add(piece) }
    let number = try #require(await input.begin(at: 0))
    while try await input.next(from: 4 << 20, number)?.count != 1 << 20 {}
    await input.accept(1 << 20)
    #expect(await fifth.value)
    await input.close()
    #expect(await !input.add(piece))
  }
}
