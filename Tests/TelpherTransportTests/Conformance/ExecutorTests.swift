import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15)))
struct ExecutorTests {
  @Test(arguments: Backends.all)
  func executeRunsOnTheLoopInTheOrderOfTheCalls(_ backend: TransportUnderTest) async throws {
    let rig = try backend.makeRig(1)
    let loop = rig.loops[0]
    let order = Shared<[Int]>([])
    await withCheckedContinuation { continuation in
      for number in 0..<1000 {
        loop.execute {
          #expect(loop.isCurrent)
          order.withLock { $0.append(number) }
          if number == 999 { continuation.resume() }
        }
      }
    }
    #expect(order.withLock { $0 } == Array(0..<1000))
    await loop.shutDown()
  }

  @Test(arguments: Backends.all)
  func theEndOfATurnComesOnceAfterItsCallbacks(_ backend: TransportUnderTest) async throws {
    let rig = try backend.makeRig(1)
    let loop = rig.loops[0]
    let calls = Shared<[String]>([])
    await withCheckedContinuation { continuation in
      loop.execute {
        loop.atEndOfTurn(
          TurnEnd {
            calls.withLock { $0.append("end") }
            // A turn-end task can request another turn-end task, which also runs.
            loop.atEndOfTurn(TurnEnd { loop.execute { continuation.resume() } })
          })
        calls.withLock { $0.append("callback") }
      }
    }
    #expect(calls.withLock { $0 } == ["callback", "end"])
    await loop.shutDown()
  }

  @Test(arguments: Backends.all)
  func executeKeepsTheOrderOfEachOfSeveralThreads(_ backend: TransportUnderTest) async throws {
    let rig = try backend.makeRig(1)
    let loop = rig.loops[0]
    let seen = Shared<[Int: [Int]]>([:])
    await withTaskGroup(of: Void.self) { group in
      for source in 0..<4 {
        group.addTask {
          await withCheckedContinuation { continuation in
            for number in 0..<300 {
              loop.execute {
                seen.withLock { $0[source, default: []].append(number) }
                if number == 299 { continuation.resume() }
              }
            }
          }
        }
      }
    }
    for source in 0..<4 { #expect(seen.withLock { $0[source] } == Array(0..<300)) }
    await loop.shutDown()
  }

  @Test(arguments: Backends.all)
  func executeFromTheLoopComesLater(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let isDone = Shared(false)
      await withCheckedContinuation { continuation in
        stage.loop.execute {
          isDone.withLock { $0 = true }
          continuation.resume()
        }
        let isDoneAtOnce = isDone.withLock { $0 }
        #expect(!isDoneAtOnce)
      }
    }
  }

  @Test(arguments: Backends.all)
  func isCurrentIsFalseOnOtherThreads(_ backend: TransportUnderTest) async throws {
    let rig = try backend.makeRig(2)
    #expect(!rig.loops[0].isCurrent)
    let isCurrentOnOther = await withCheckedContinuation { continuation in
      rig.loops[1].execute { continuation.resume(returning: rig.loops[0].isCurrent) }
    }
    #expect(!isCurrentOnOther)
    for loop in rig.loops { await loop.shutDown() }
  }

  @Test(arguments: Backends.all)
  func anActorOfTheLoopRunsThere(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      #expect(stage.loop.isCurrent)
      await Task.yield()
      #expect(stage.loop.isCurrent)
      await Task { @concurrent in }.value
      #expect(stage.loop.isCurrent)
    }
  }

  @Test(arguments: Backends.all)
  func aTaskThatPrefersTheLoopRunsThere(_ backend: TransportUnderTest) async throws {
    let rig = try backend.makeRig(1)
    let loop = rig.loops[0]
    let wasCurrent = await Task(executorPreference: loop) {
      await Task.yield()
      return loop.isCurrent
    }.value
    #expect(wasCurrent)
    let isPreferred = await withTaskExecutorPreference(loop) { @concurrent in loop.isCurrent }
    #expect(isPreferred)
    await loop.shutDown()
  }

  @Test(arguments: Backends.all)
  func isolationCanBeAssumedInCallbacks(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      await withCheckedContinuation { continuation in
        stage.loop.execute {
          stage.assumeIsolated { $0.events.happened() }
          continuation.resume()
        }
      }
    }
  }
}

/// A turn-end task that calls a closure.
private final class TurnEnd: TurnEndTask {
  private let body: () -> Void
  init(_ body: @escaping () -> Void) { self.body = body }
  func turnDidEnd() { body() }
}
