import Glibc
import Synchronization
import TelpherTransport
import TelpherUV
import Testing

/// Tests of the loop as an executor and of its shutdown.
@Suite(.timeLimit(.minutes(15))) struct LoopTests {
  /// An actor on a loop, like a session.
  actor Counter {
    let loop: UVLoop
    var count = 0
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(loop: UVLoop) { self.loop = loop }

    func increment() -> Bool {
      count += 1
      return loop.isCurrent
    }
  }

  @Test func anActorRunsOnTheLoopsThread() async throws {
    try await withLoop { loop in
      let counter = Counter(loop: loop)
      for _ in 0..<100 { #expect(await counter.increment()) }
      #expect(await counter.count == 100)
    }
  }

  @Test func aTaskThatPrefersTheLoopStaysOnItsThread() async throws {
    try await withLoop { loop in
      let counter = Counter(loop: loop)
      let stayed = await Task(executorPreference: loop) {
        var stayed = loop.isCurrent
        for _ in 0..<100 {
          stayed = await counter.increment() && stayed
          await Task.yield()
          stayed = loop.isCurrent && stayed
        }
        return stayed
      }.value
      #expect(stayed)
    }
  }

  @Test func aCallbackCanAssumeTheIsolationOfAnActor() async throws {
    try await withLoop { loop in
      let counter = Counter(loop: loop)
      let count: Int = await loop.run { done in
        _ = loop.schedule(after: 0) {
          counter.assumeIsolated { _ = $0.increment() }
          done(counter.assumeIsolated { $0.count })
        }
      }
      #expect(count == 1)
    }
  }

  @Test func bodiesFromTheLoopAndFromOtherThreadsRunInTheOrderOfTheCalls() async throws {
    try await withLoop { loop in
      let order = Mutex<[Int]>([])
      let all: [Int] = await loop.run { done in
        // Sent by another thread while this callback blocks the loop.
        let isSent = Atomic(false)
        let sender = OtherThread {
          loop.execute { order.withLock { $0.append(1) } }
          isSent.store(true, ordering: .releasing)
        }
        while !isSent.load(ordering: .acquiring) {}
        sender.join()
        loop.execute { order.withLock { $0.append(2) } }
        loop.execute { done(order.withLock { $0 }) }
      }
      #expect(all == [1, 2])
    }
  }

  @Test func allBodiesOfManyThreadsRun() async throws {
    try await withLoop { loop in
      let (threads, bodies) = (4, 1000)
      let count = Atomic(0)
      await loop.run { done in
        let senders = (0..<threads).map { _ in
          OtherThread {
            for _ in 0..<bodies {
              loop.execute {
                if count.add(1, ordering: .relaxed).newValue == threads * bodies { done(()) }
              }
            }
          }
        }
        for sender in senders { sender.join() }
      }
      #expect(count.load(ordering: .relaxed) == threads * bodies)
    }
  }

  @Test func jobsThatAlwaysCreateNewJobsDoNotDelayTimers() async throws {
    try await withLoop { loop in
      let isOver = Atomic(false)
      async let spinning: Void = Task(executorPreference: loop) {
        while !isOver.load(ordering: .relaxed) { await Task.yield() }
      }.value
      await loop.run { done in _ = loop.schedule(after: 5_000_000) { done(()) } }
      isOver.store(true, ordering: .relaxed)
      await spinning
    }
  }

  @Test func aTimerNeverFiresEarly() async throws {
    try await withLoop { loop in
      for nanoseconds: UInt64 in [0, 1, 999_999, 1_000_000, 1_000_001, 3_500_000] {
        let elapsed: UInt64 = await loop.run { done in
          let start = loop.now
          _ = loop.schedule(after: nanoseconds) { done(loop.now - start) }
        }
        #expect(elapsed >= nanoseconds)
      }
    }
  }

  @Test func theLongestTimerCanBeCanceled() async throws {
    try await withLoop { loop in
      await loop.run { done in
        let timer = loop.schedule(after: .max) { Issue.record("585 years have not passed") }
        timer.cancel()
        timer.cancel()
        done(())
      }
    }
  }

  @Test func shutDownReleasesTheCallbacksOfItsHandles() async throws {
    final class Witness: Sendable {}
    weak var witness: Witness?
    do {
      let held = Witness()
      witness = held
      try await withLoop { loop in
        await loop.run { [held] done in
          _ = loop.schedule(after: .max) { _ = held }
          _ = try! loop.watch(signal: SIGUSR2) { _ = held }
          let socket = try! loop.bind(to: .tcp(host: "::1", port: 0), backlog: 1)
          _ = try! loop.serve(socket) { _ in _ = held }
          loop.connectPair { client, server in
            client.onRead = { _ in _ = held }
            client.onEnd = { _ in Issue.record("no callback may run after the end") }
            client.resumeReading()
            server.onWritable = { _ = held }
            // More than the socket buffers hold, so that some bytes are queued at shutdown.
            server.write(.init(start: nil, count: 0), Chunk([UInt8](repeating: 0, count: 32 << 20)))
            client.pauseReading()
            done(())
          }
        }
      }
    }
    #expect(witness == nil)
  }

  @Test func aTaskThatOutlivesItsLoopFinishes() async throws {
    let loop = try UVLoop()
    let counter = Counter(loop: loop)
    #expect(await counter.increment())
    await loop.shutDown()
    #expect(await counter.increment())
    #expect(await Task(executorPreference: loop) { await counter.count }.value == 2)
  }

  @Test func operationsFailAfterShutDown() async throws {
    let loop = try UVLoop()
    await loop.shutDown()
    await loop.shutDown()
    loop.execute { Issue.record("a body must be dropped after the end") }
    await Task(executorPreference: loop) {
      let code = await withCheckedContinuation { continuation in
        loop.connect(to: .tcp(host: "127.0.0.1", port: 1)) { result in
          guard case .failure(let error) = result else { preconditionFailure() }
          continuation.resume(returning: error.code)
        }
      }
      #expect(code == .shutDown)
      #expect(throws: TransportError.self) { try loop.watch(signal: SIGUSR1) {} }
    }.value
  }

  @Test func shutDownCompletesAPendingConnect() async throws {
    let loop = try UVLoop()
    let codes = Mutex<[TransportError.Code]>([])
    await loop.run { done in
      // A network for documentation, RFC 5737: no host answers, or there is no route.
      loop.connect(to: .tcp(host: "192.0.2.1", port: 9)) { result in
        if case .failure(let error) = result { codes.withLock { $0.append(error.code) } }
      }
      done(())
    }
    await loop.shutDown()
    #expect(codes.withLock { $0.count } == 1)
  }

  @Test func eachWatchReceivesASignalUntilItIsCanceled() async throws {
    try await withLoop { loop in
      let counts: [Int] = await loop.run { done in
        let (first, second) = (Box(0), Box(0))
        var watches: [any SignalWatch] = []
        func check() {
          if second.value == 2 { return done([first.value, second.value]) }
          guard first.value == 1, second.value == 1 else { return }
          watches[0].cancel()
          kill(getpid(), SIGURG)
        }
        for box in [first, second] {
          watches.append(
            try! loop.watch(signal: SIGURG) {
              box.value += 1
              check()
            })
        }
        kill(getpid(), SIGURG)
      }
      #expect(counts == [1, 2])
    }
  }

  @Test func someSignalsCannotBeWatched() async throws {
    try await withLoop { loop in
      let refused: Int = await loop.run { done in
        done([SIGKILL, SIGSTOP, SIGPIPE].count { (try? loop.watch(signal: $0) {}) == nil })
      }
      #expect(refused == 3)
    }
  }
}
