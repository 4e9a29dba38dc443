import Testing

@testable import TelpherWire

@Suite struct WindowGrowthTests {
  private static let millisecond: UInt64 = 1_000_000

  private func change(
    size: UInt64 = 1_000, taken: UInt64 = 500, in time: UInt64, roundTrip: UInt64 = 100,
    learned: UInt64 = 0
  ) -> WindowPace.Change {
    WindowPace.change(
      size: size, taken: taken, in: time * Self.millisecond,
      roundTrip: roundTrip * Self.millisecond, learned: learned)
  }

  // MARK: Pace

  @Test func `A window that is taken within two round trips doubles, within one twice`() {
    #expect(change(in: 0) == .grow(to: 4_000))
    #expect(change(in: 100) == .grow(to: 4_000))
    #expect(change(in: 101) == .grow(to: 2_000))
    #expect(change(in: 200) == .grow(to: 2_000))
    #expect(change(in: 201) == .keep)
    #expect(change(taken: 1_000, in: 400) == .grow(to: 2_000))
    #expect(change(taken: 1_000, in: 401) == .keep)
  }

  @Test func `A window that grows takes over what the connection has learned`() {
    #expect(change(in: 10, learned: 64_000) == .grow(to: 64_000))
    #expect(change(in: 201, learned: 64_000) == .keep)
  }

  @Test func `A window that is taken slowly becomes smaller, but not for a short pause`() {
    #expect(change(in: 2_000) == .keep)
    #expect(change(in: 2_001) == .shrink)
    #expect(change(in: 2_001, roundTrip: 300) == .keep)
  }

  @Test func `With a short round trip nothing grows, and what has grown shrinks`() {
    #expect(change(in: 0, roundTrip: 0) == .shrink)
    #expect(change(in: 9_000, roundTrip: 0) == .shrink)
    #expect(change(in: 0, roundTrip: 1) == .grow(to: 4_000))
  }

  @Test func `What was learned is forgotten by and by`() {
    var learned = LearnedWindow()
    #expect(learned.value(at: 5) == 0)
    learned.use(4_096, at: 1_000_000_000)
    #expect(learned.value(at: 60_999_999_999) == 4_096)
    #expect(learned.value(at: 61_000_000_000) == 2_048)
    learned.use(1_000, at: 121_000_000_000)
    #expect(learned.value(at: 121_000_000_000) == 1_024)
    #expect(learned.value(at: .max) == 0)
  }

  // MARK: The round trip

  @Test func `The shortest round trip counts, and one PING at a time is under way`() {
    var roundTrip = RoundTrip()
    #expect(roundTrip.isDue(at: 0))
    roundTrip.didReceiveAnswer(at: 3)
    #expect(roundTrip.shortest == nil)
    roundTrip.didSend(at: 10)
    #expect(!roundTrip.isDue(at: 5_000_000_000))
    roundTrip.didReceiveAnswer(at: 60)
    roundTrip.didReceiveAnswer(at: 61)
    #expect(roundTrip.shortest == 50)
    #expect(!roundTrip.isDue(at: 200_000_009))
    #expect(roundTrip.isDue(at: 200_000_010))
    roundTrip.didSend(at: 2_000_000_000)
    roundTrip.didReceiveAnswer(at: 2_000_000_100)
    #expect(roundTrip.shortest == 50)
  }

  @Test func `An answer to something else is an upper bound, and counts after the first PING`() {
    var roundTrip = RoundTrip()
    roundTrip.isAtMost(300)
    roundTrip.isAtMost(40)
    #expect(roundTrip.shortest == nil)
    roundTrip.didSend(at: 10)
    roundTrip.didReceiveAnswer(at: 1_000)
    #expect(roundTrip.shortest == 40)
  }

  // MARK: Shares

  @Test func `A stream leaves an eighth to the others`() {
    var growth = WindowGrowth(limit: 64, budget: nil)
    #expect(growth.take(100, own: 0) == 56)
    #expect(growth.take(100, own: 56) == 0)
    #expect(growth.take(100, own: 0) == 7)
    #expect(growth.take(1, own: 0) == 1)
    growth.giveBack(56)
    #expect(growth.take(100, own: 7) == 49)
  }

  @Test func `A connection holds at most as much as it leaves free`() {
    let budget = SingleThreadedBudget(total: 300)
    var first = WindowGrowth(limit: 1_000, budget: budget)
    var second = WindowGrowth(limit: 1_000, budget: budget)
    #expect(first.take(1_000, own: 0) == 150)
    #expect(second.take(1_000, own: 0) == 75)
    #expect(first.take(1_000, own: 150) == 0)
    // The first has more than its share now, and gets no more before it has given some back.
    first.giveBack(100)
    first.settle(outstanding: 0)
    #expect(budget.used == 125)
    #expect(second.take(1_000, own: 75) == 50)
    first.end()
    second.end()
    #expect(budget.used == 0)
  }

  @Test func `Credit that the peer still has stays reserved`() {
    let budget = SingleThreadedBudget(total: 300)
    var growth = WindowGrowth(limit: 1_000, budget: budget)
    #expect(growth.take(100, own: 0) == 100)
    growth.giveBack(100)
    growth.settle(outstanding: 60)
    #expect(budget.used == 60)
    // It is used again before more is reserved.
    #expect(growth.take(80, own: 0) == 80)
    #expect(budget.used == 80)
    growth.giveBack(80)
    growth.settle(outstanding: 0)
    #expect(budget.used == 0)
  }

  @Test func `A connection that ends gives everything back`() {
    let budget = SingleThreadedBudget(total: 300)
    do {
      var growth = WindowGrowth(limit: 1_000, budget: budget)
      #expect(growth.take(100, own: 0) == 100)
    }
    #expect(budget.used == 0)
  }

  @Test func `Streams that have proven nothing hold less than half of the limit together`() {
    var growth = WindowGrowth(limit: 128 << 20, budget: nil)
    #expect(growth.unproven == 32 << 20)
    for _ in 0..<1_000 { _ = growth.take(growth.unproven, own: 0) }
    #expect(growth.used <= 64 << 20)
    _ = growth.take(100 << 20, own: 0)
    #expect(growth.unproven == 0)
  }
}
