import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15)))
struct TimerTests {
  private let millisecond: UInt64 = 1_000_000

  @Test(arguments: Backends.all)
  func timersFireInTheOrderOfTheirTimes(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      var fired: [UInt64] = []
      for delay: UInt64 in [60, 20, 40, 0] {
        _ = stage.loop.schedule(after: delay * millisecond) {
          #expect(stage.loop.isCurrent)
          fired.append(delay)
          stage.events.happened()
        }
      }
      #expect(fired.isEmpty, "a callback came from within a call")
      try await stage.until("all timers") { fired.count == 4 }
      #expect(fired == [0, 20, 40, 60])
    }
  }

  @Test(arguments: Backends.all)
  func aTimerDoesNotFireEarly(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let start = stage.loop.now
      var end: UInt64?
      _ = stage.loop.schedule(after: 5 * millisecond) {
        end = stage.loop.now
        stage.events.happened()
      }
      try await stage.until("the timer") { end != nil }
      #expect(try #require(end) >= start + 5 * millisecond)
    }
  }

  @Test(arguments: Backends.all)
  func aCanceledTimerDoesNotFire(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      var isDone = false
      let timer = stage.loop.schedule(after: 5 * millisecond) { Issue.record("fired") }
      timer.cancel()
      timer.cancel()
      _ = stage.loop.schedule(after: 20 * millisecond) {
        isDone = true
        stage.events.happened()
      }
      try await stage.until("the later timer") { isDone }
    }
  }

  @Test(arguments: Backends.all)
  func oneTimerCanCancelAnotherThatIsDue(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      var timers: [any LoopTimer] = []
      var fired = 0
      for _ in 0..<2 {
        timers.append(
          stage.loop.schedule(after: 0) {
            fired += 1
            for timer in timers { timer.cancel() }
            stage.events.happened()
          })
      }
      try await stage.until("a timer") { fired > 0 }
      try await stage.settle()
      #expect(fired == 1)
    }
  }

  @Test(arguments: Backends.all)
  func aTimerCanScheduleTheNext(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (loop, events) = (stage.loop, stage.events)
      var rounds = 0
      func next() {
        rounds += 1
        events.happened()
        if rounds < 20 { _ = loop.schedule(after: 0, next) }
      }
      _ = stage.loop.schedule(after: 0, next)
      try await stage.until("all rounds") { rounds == 20 }
    }
  }

  @Test(arguments: Backends.all)
  func timeDoesNotGoBack(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let first = stage.loop.now
      #expect(first > 0)
      try await stage.settle()
      #expect(stage.loop.now >= first)
    }
  }
}
