import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherServer

/// The order of launches. `Owner` objects stand for connections.
@Suite(.timeLimit(.minutes(1))) struct LaunchLineTests {
  private final class Owner {}

  /// Calls a function at the end of a turn.
  private final class Call: TurnEndTask {
    private let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }

    func turnDidEnd() { body() }
  }

  /// Runs `body` on the thread of a loop whose programs all exist, and returns what it passes on.
  private static func onLoop<Value: Sendable>(
    _ body: @escaping @Sendable (MemoryLoop, @escaping @Sendable (Value) -> Void) -> Void
  ) async -> Value {
    let loop = MemoryLoop(network: MemoryNetwork())
    let value = await withCheckedContinuation { continuation in
      loop.execute { body(loop) { continuation.resume(returning: $0) } }
    }
    await loop.shutDown()
    return value
  }

  private static var request: SpawnRequest { SpawnRequest(arguments: ["true"], environment: [:]) }

  @Test func connectionsLaunchInTurn() async {
    let order: [String] = await Self.onLoop { loop, done in
      let line = LaunchLine(loop: loop)
      let (greedy, modest) = (Owner(), Owner())
      var order: [String] = []
      func add(_ name: String, _ owner: Owner) {
        _ = line.add(Self.request, for: ObjectIdentifier(owner)) { _ in
          order.append(name)
          guard order.count == 102 else { return }
          withExtendedLifetime((greedy, modest)) { done(order) }
        }
      }
      for _ in 0..<100 { add("greedy", greedy) }
      for _ in 0..<2 { add("modest", modest) }
    }
    // The first waits for no other launch: one connection never takes all places. The second is
    // next in turn.
    #expect(order.prefix(8).filter { $0 == "modest" }.count == 2)
    #expect(order.prefix(4).contains("modest"))
  }

  @Test func aCanceledLaunchNeverBegins() async {
    let (canceled, begun): ([Bool], [Int]) = await Self.onLoop { loop, done in
      let line = LaunchLine(loop: loop)
      let owner = Owner()
      var begun: [Int] = []
      var canceled: [Bool] = []
      let launches = (0..<20).map { number in
        line.add(Self.request, for: ObjectIdentifier(owner)) { _ in
          begun.append(number)
          if number == 19 { withExtendedLifetime(owner) { done((canceled, begun)) } }
        }
      }
      // At the end of this turn the first three begin; then of the others every second is canceled.
      let cancels = Call {
        for number in stride(from: 0, to: 19, by: 2) {
          canceled.append(line.cancel(launches[number]))
        }
        canceled.append(line.cancel(launches[18]))
      }
      loop.atEndOfTurn(cancels)
    }
    #expect(canceled == [false, false] + [Bool](repeating: true, count: 8) + [false])
    #expect(begun == [0, 1, 2, 3, 5, 7, 9, 11, 13, 15, 17, 19])
  }

  @Test func aLaunchThatIsCanceledInTheTurnInWhichItWasAddedNeverBegins() async {
    let (canceled, begun): (Bool, [Int]) = await Self.onLoop { loop, done in
      let line = LaunchLine(loop: loop)
      let owner = Owner()
      var begun: [Int] = []
      let first = line.add(Self.request, for: ObjectIdentifier(owner)) { _ in begun.append(0) }
      let canceled = line.cancel(first)
      _ = line.add(Self.request, for: ObjectIdentifier(owner)) { _ in
        begun.append(1)
        withExtendedLifetime(owner) { done((canceled, begun)) }
      }
    }
    #expect(canceled)
    #expect(begun == [1])
  }

  @Test func canceledLaunchesOfOneConnectionDoNotHoldPlaces() async {
    let name: String = await Self.onLoop { loop, done in
      let line = LaunchLine(loop: loop)
      let owners = (0..<50).map { _ in Owner() }
      for owner in owners {
        let launches = (0..<10).map { _ in
          line.add(Self.request, for: ObjectIdentifier(owner)) { _ in }
        }
        for launch in launches { _ = line.cancel(launch) }
      }
      let last = Owner()
      _ = line.add(Self.request, for: ObjectIdentifier(last)) { _ in
        withExtendedLifetime((owners, last)) { done("last") }
      }
    }
    #expect(name == "last")
  }
}
