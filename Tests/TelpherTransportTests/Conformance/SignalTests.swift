import TelpherTransport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Signals to this process. The tests run one at a time, because all loops of all backends share
/// the signals.
@Suite(.serialized, .timeLimit(.minutes(15)))
struct SignalTests {
  @Test(arguments: Backends.all)
  func allWatchesOfASignalAreCalled(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      var calls = [0, 0]
      let watches = try (0..<2).map { index in
        try stage.loop.watch(signal: SIGUSR2) {
          #expect(stage.loop.isCurrent)
          calls[index] += 1
          stage.events.happened()
        }
      }
      for round in 1...2 {
        stage.rig.raise(SIGUSR2)
        try await stage.until("both calls") { calls == [round, round] }
      }
      for watch in watches { watch.cancel() }
    }
  }

  @Test(arguments: Backends.all)
  func aCanceledWatchIsNotCalled(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      var calls = 0
      let canceled = try stage.loop.watch(signal: SIGUSR2) { Issue.record("called") }
      let watch = try stage.loop.watch(signal: SIGUSR2) {
        calls += 1
        stage.events.happened()
      }
      let other = try stage.loop.watch(signal: SIGUSR1) { Issue.record("called") }
      canceled.cancel()
      canceled.cancel()
      stage.rig.raise(SIGUSR2)
      try await stage.until("the call") { calls == 1 }
      try await stage.settle()
      watch.cancel()
      other.cancel()
    }
  }

  @Test(arguments: Backends.all)
  func severalLoopsWatchTheSameSignal(_ backend: TransportUnderTest) async throws {
    try await backend.run(loops: 2) { stage in
      let other = Stage(stage.rig, loop: stage.rig.loops[1])
      let otherCalls = Shared(0)
      try await other.count(SIGUSR2, in: otherCalls)
      var calls = 0
      let watch = try stage.loop.watch(signal: SIGUSR2) {
        calls += 1
        stage.events.happened()
      }
      stage.rig.raise(SIGUSR2)
      try await stage.until("the call here") { calls == 1 }
      try await other.untilCounted(otherCalls)
      watch.cancel()
    }
  }
}

extension Stage {
  fileprivate func count(_ signal: Int32, in calls: Shared<Int>) throws {
    _ = try loop.watch(signal: signal) {
      calls.withLock { $0 += 1 }
      self.events.happened()
    }
  }

  fileprivate func untilCounted(_ calls: Shared<Int>) async throws {
    try await until("the call there") { calls.withLock { $0 } == 1 }
  }
}
