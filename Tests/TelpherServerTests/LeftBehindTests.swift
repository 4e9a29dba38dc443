import Glibc
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherServer

@Suite(.timeLimit(.minutes(15))) struct LeftBehindTests {
  /// A tree of processes that notes its signals, and ends by one of them.
  private final class Tree: ChildProcess {
    let pid: Int32 = 1
    var input: (any ByteStream)? { nil }
    var output: (any ByteStream)? { nil }
    var error: (any ByteStream)? { nil }
    var onExit: ((ProcessExit) -> Void)?
    private(set) var signals: [Int32] = []
    private(set) var releases = 0
    private(set) var hasSurvivors = true
    private let endsBy: Int32?

    init(endsBy: Int32?) { self.endsBy = endsBy }

    func resizeTerminal(to _: TerminalSize) {}
    func signal(_: Int32) {}
    func signalTree(_ signal: Int32) {
      if signal != 0 { signals.append(signal) }
      if signal == endsBy { hasSurvivors = false }
    }
    func end() { hasSurvivors = false }
    func release() { releases += 1 }
  }

  private static let hour: UInt64 = 3_600_000_000_000

  /// Calls `body` on the thread of a loop with an empty `LeftBehind`, and then `isDone` there until it
  /// is true.
  private static func with(
    _ body: @escaping @Sendable (LeftBehind, any EventLoop) -> @Sendable () -> Bool
  ) async throws {
    let loop = MemoryLoop(network: MemoryNetwork())
    let isDone = await withCheckedContinuation { started in
      loop.execute {
        nonisolated(unsafe) let leftBehind = LeftBehind(loop: loop) {}
        let isDone = body(leftBehind, loop)
        started.resume(returning: { @Sendable in withExtendedLifetime(leftBehind) { isDone() } })
      }
    }
    try await eventually("it is done") {
      await withCheckedContinuation { answer in
        loop.execute { answer.resume(returning: isDone()) }
      }
    }
    await loop.shutDown()
  }

  @Test func processesEndAtTheDeadlineAndAreKilledAfterTheGrace() async throws {
    try await Self.with { leftBehind, loop in
      nonisolated(unsafe) let polite = Tree(endsBy: SIGTERM)
      nonisolated(unsafe) let stubborn = Tree(endsBy: SIGKILL)
      nonisolated(unsafe) let early = Tree(endsBy: nil)
      nonisolated(unsafe) let other = Tree(endsBy: nil)
      leftBehind.keep(polite, until: loop.now + 1_000_000, grace: 1_000_000)
      leftBehind.keep(stubborn, until: loop.now + 1_000_000, grace: 1_000_000)
      leftBehind.keep(other, until: loop.now + Self.hour, grace: 0)
      early.end()
      leftBehind.keep(early, until: loop.now + Self.hour, grace: 0)
      #expect(early.releases == 1)
      return {
        guard polite.releases == 1, stubborn.releases == 1 else { return false }
        #expect(polite.signals == [SIGTERM, SIGCONT])
        #expect(stubborn.signals == [SIGTERM, SIGCONT, SIGKILL])
        #expect(other.signals.isEmpty && other.releases == 0)
        other.end()
        return true
      }
    }
  }

  @Test func aTreeThatHasEndedIsReleased() async throws {
    try await Self.with { leftBehind, loop in
      nonisolated(unsafe) let tree = Tree(endsBy: nil)
      nonisolated(unsafe) let kept = leftBehind
      leftBehind.keep(tree, until: loop.now + Self.hour, grace: 0)
      tree.end()
      return { tree.releases == 1 && tree.signals.isEmpty && kept.isEmpty }
    }
  }

  @Test func theOldestIsKilledPastTheLimitAndAllAtTheEnd() async throws {
    try await Self.with { leftBehind, loop in
      nonisolated(unsafe) let trees = (0...LeftBehind.limit).map { _ in Tree(endsBy: SIGKILL) }
      for tree in trees { leftBehind.keep(tree, until: loop.now + Self.hour, grace: 0) }
      #expect(trees[0].signals == [SIGKILL])
      #expect(trees.dropFirst().allSatisfy { $0.signals.isEmpty })
      leftBehind.endAll()
      #expect(trees.dropFirst().allSatisfy { $0.signals == [SIGKILL] && $0.releases == 1 })
      #expect(trees[0].releases == 1 && leftBehind.isEmpty)
      return { true }
    }
  }
}
