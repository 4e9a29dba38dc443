import TelpherTestSupport
import Testing

@testable import TelpherHosts

@Suite struct FanOutTests {
  private static let success = HostState.done(HostResult(status: 0, text: "", isComplete: true))
  private static func exited(_ status: Int32) -> HostState {
    .done(HostResult(status: status, text: "exited with \(status)", isComplete: true))
  }
  private static let statuses = FanOut.Statuses(failure: 125)

  @Test func `So many hosts run at once, and the next starts when one has ended`() {
    var plan = FanOut(count: 4, limits: .init(width: 2))
    #expect(plan.start() == [.start(0), .start(1)])
    plan.didConnect(1)
    #expect(plan.didEnd(1, Self.success) == [.start(2)])
    #expect(plan.didEnd(0, .unreachable("no")) == [.start(3)])
    #expect(plan.didEnd(3, Self.success) == [])
    #expect(plan.didEnd(2, .lost("gone")) == [.finish])
    #expect((plan.settled, plan.failed, plan.active) == (4, 2, 0))
  }

  @Test func `No hosts are finished at once`() {
    var plan = FanOut(count: 0, limits: .init(width: 2))
    #expect(plan.start() == [.finish])
  }

  @Test func `Canaries succeed before the rest is started`() {
    var plan = FanOut(count: 4, limits: .init(width: 9, canaries: 2))
    #expect(plan.start() == [.start(0), .start(1)])
    #expect(plan.didEnd(0, Self.success) == [])
    #expect(plan.didEnd(1, Self.success) == [.start(2), .start(3)])
  }

  @Test func `After a failed canary the other canaries go on, and the rest is not started`() {
    var plan = FanOut(count: 4, limits: .init(width: 1, canaries: 2))
    #expect(plan.start() == [.start(0)])
    #expect(plan.didEnd(0, Self.exited(3)) == [.start(1)])
    #expect(plan.states[2...] == [.notStarted, .notStarted])
    #expect(plan.didEnd(1, Self.success) == [.finish])
    #expect(plan.stop == .canaryFailed)
    #expect(plan.exitStatus(largest: false, Self.statuses) == 125)
    #expect(plan.exitStatus(largest: true, Self.statuses) == 3)
  }

  @Test func `The first failure cancels what runs`() {
    var plan = FanOut(count: 4, limits: .init(width: 3, stopsAtFailure: true))
    _ = plan.start()
    plan.didConnect(0)
    #expect(plan.didEnd(2, Self.exited(1)) == [.cancel(0), .cancel(1)])
    #expect(plan.didEnd(0, .canceled) == [])
    #expect(plan.didEnd(1, .canceled) == [.finish])
    #expect(plan.states[3] == .notStarted)
    #expect(plan.exitStatus(largest: true, Self.statuses) == 1)
  }

  @Test func `A host that does not end after a cancel is given up, once`() {
    var plan = FanOut(count: 2, limits: .init(width: 2))
    _ = plan.start()
    plan.didConnect(0)
    #expect(plan.stop(.interrupted) == [.cancel(0), .cancel(1)])
    #expect(plan.stop(.interrupted) == [])
    #expect(plan.giveUp(0, "silent") == [])
    #expect(plan.giveUp(1, "silent") == [.finish])
    #expect(plan.states == [.lost("silent"), .canceled])
    plan.didConnect(1)
    #expect(plan.didEnd(1, Self.success) == [] && plan.giveUp(0, "") == [])
    #expect(plan.states == [.lost("silent"), .canceled])
  }

  @Test func `A status is 0 only if all is done`() {
    let cases: [(HostState, plain: Int32, largest: Int32)] = [
      (Self.success, 0, 0), (Self.exited(1), 0, 1), (Self.exited(255), 0, 255),
      (.unreachable("x"), 125, 125), (.lost("x"), 125, 125), (.canceled, 125, 125),
      (.notStarted, 125, 125),
      (.done(HostResult(status: 124, text: "late", isComplete: false)), 125, 124),
    ]
    for (state, plain, largest) in cases {
      var plan = FanOut(count: 2, limits: .init(width: 2))
      _ = plan.start()
      _ = plan.didEnd(0, Self.success)
      _ = plan.didEnd(1, state)
      #expect(plan.exitStatus(largest: false, Self.statuses) == plain, "\(state)")
      #expect(plan.exitStatus(largest: true, Self.statuses) == largest, "\(state)")
    }
  }

  @Test func `The same failure of several hosts is one line`() throws {
    let names = try HostSet(parsing: "web[1-5],web10").names
    var plan = FanOut(count: 6, limits: .init(width: 6))
    _ = plan.start()
    _ = plan.didEnd(0, .unreachable("ssh to me@web1 failed (web1)"))
    _ = plan.didEnd(1, Self.exited(1))
    _ = plan.didEnd(2, .unreachable("ssh to me@web3 failed (web3)"))
    _ = plan.didEnd(3, Self.success)
    _ = plan.didEnd(4, Self.exited(1))
    _ = plan.didEnd(5, .lost("web1 and web10"))
    #expect(
      plan.failures(names) == [
        "web[1,3]: unreachable: ssh to me@%h failed (%h)", "web[2,5]: exited with 1",
        "web10: lost: web1 and %h",
      ])
    #expect(plan.folded(names) { $0.isFailure } == "web[1-3,5,10]")
    #expect(plan.folded(names) { $0 == .canceled } == nil)
  }

  @Test(arguments: [
    ("web1", "unix:/s/mweb1.sock: web1x web10 xweb1", "unix:/s/m%h.sock: %hx web10 x%h"),
    ("a", "a is a word, cat a-b", "%h is %h word, cat a-b"), ("1", "127.0.0.1 1", "127.0.0.%h %h"),
    ("r1n", "r1n r1nx r1n2", "%h r1nx r1n2"), ("", "x", "x"), ("web1", "web1", "%h"),
  ])
  func `A host's name is replaced where it stands for the host`(
    _ name: String, _ text: String, _ general: String
  ) {
    #expect(FanOut.generalized(text, NodeName(name)) == general)
  }

  /// Whatever happens in whatever order: no host is started twice, never more than `width` are under
  /// way, and the end comes once, when every host is settled.
  @Test func `Random orders end with every host settled`() {
    var random = SeededGenerator(seed: 19)
    for _ in 0..<2_000 {
      let count = Int.random(in: 0...12, using: &random)
      let limits = FanOut.Limits(
        width: .random(in: 1...5, using: &random), canaries: .random(in: 0...4, using: &random),
        stopsAtFailure: .random(using: &random))
      var plan = FanOut(count: count, limits: limits)
      var started: Set<Int> = []
      var running: Set<Int> = []
      var finishes = 0
      func perform(_ actions: [FanOut.Action]) {
        for action in actions {
          switch action {
          case .start(let host):
            #expect(started.insert(host).inserted)
            running.insert(host)
          case .cancel(let host): #expect(running.contains(host))
          case .finish: finishes += 1
          }
        }
        #expect(plan.active <= limits.width)
      }
      perform(plan.start())
      for _ in 0..<100 where finishes == 0 {
        let host = running.randomElement(using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0: perform(plan.stop(.interrupted))
        case 1..<6: if let host, plan.states[host] == .connecting { plan.didConnect(host) }
        case 6: if let host, plan.stop != nil { perform(plan.giveUp(host, "silent")) }
        default:
          guard let host else { continue }
          let states = [Self.success, Self.exited(1), .unreachable(""), .lost(""), .canceled]
          running.remove(host)
          perform(plan.didEnd(host, states.randomElement(using: &random) ?? .canceled))
        }
      }
      for host in running { perform(plan.didEnd(host, Self.success)) }
      while let host = plan.states.firstIndex(of: .connecting) {
        perform(plan.didEnd(host, Self.success))
      }
      #expect(finishes == 1 && plan.settled == count)
      #expect(plan.states.allSatisfy { $0.isSettled })
    }
  }
}
