import Testing

@testable import TelpherServer

@Suite struct StrangerQuotaTests {
  private final class Thing {}
  private let things = (0..<20).map { _ in Thing() }
  private let here = Thing()
  private let there = Thing()

  private func id(_ number: Int) -> ObjectIdentifier { ObjectIdentifier(things[number]) }

  @Test func aFullSourceLosesItsOldestStranger() {
    var quota = StrangerQuota(perListener: 10, perSource: 2)
    let here = ObjectIdentifier(here)
    #expect(quota.admit(id(0), from: "b", at: here) == nil)
    #expect(quota.admit(id(1), from: "a", at: here) == nil)
    #expect(quota.admit(id(2), from: "a", at: here) == nil)
    #expect(quota.admit(id(3), from: "a", at: here) == id(1))
    #expect(quota.admit(id(4), from: "a", at: here) == id(2))
    #expect(quota.count == 3)
  }

  @Test func aStrangerWithUnreadBytesIsNotEvictedFirst() {
    var quota = StrangerQuota(perListener: 10, perSource: 3)
    let here = ObjectIdentifier(here)
    for number in 0...2 { _ = quota.admit(id(number), from: "a", at: here) }
    let unheard: Set = [id(0), id(2), id(3)]
    #expect(quota.admit(id(3), from: "a", at: here, hasUnread: unheard.contains) == id(1))
    // All have unread bytes, so the oldest is evicted.
    #expect(quota.admit(id(4), from: "a", at: here, hasUnread: unheard.contains) == id(0))
  }

  @Test func aFullListenerEvictsFromTheLargestSource() {
    var quota = StrangerQuota(perListener: 4, perSource: 3)
    let here = ObjectIdentifier(here)
    _ = quota.admit(id(0), from: "honest", at: here)
    for number in 1...3 { #expect(quota.admit(id(number), from: "a", at: here) == nil) }
    #expect(quota.admit(id(4), from: "b", at: here) == id(1))
    #expect(quota.admit(id(5), from: "c", at: here) == id(2))
    // All sources have one stranger each now: any of them is evicted, and the limit holds.
    #expect(quota.admit(id(6), from: "d", at: here) != nil)
    #expect(quota.count == 4)
  }

  @Test func listenersHaveSeparateLimits() {
    var quota = StrangerQuota(perListener: 1, perSource: 1)
    #expect(quota.admit(id(0), from: "a", at: ObjectIdentifier(here)) == nil)
    #expect(quota.admit(id(1), from: "a", at: ObjectIdentifier(there)) == nil)
    #expect(quota.admit(id(2), from: "a", at: ObjectIdentifier(here)) == id(0))
    #expect(quota.count == 2)
  }

  @Test func aRemovedStrangerFreesItsPlace() {
    var quota = StrangerQuota(perListener: 1, perSource: 1)
    let here = ObjectIdentifier(here)
    _ = quota.admit(id(0), from: "a", at: here)
    quota.remove(id(0))
    quota.remove(id(0))
    #expect(quota.admit(id(1), from: "a", at: here) == nil)
    #expect(quota.count == 1)
  }
}

@Suite struct LogBudgetTests {
  @Test func linesPastTheBudgetAreCountedAndANewPeriodStartsAgain() {
    var budget = LogBudget()
    #expect(budget.admit() == .log(startsPeriod: true))
    for _ in 1..<LogBudget.lines { #expect(budget.admit() == .log(startsPeriod: false)) }
    for _ in 0..<7 { #expect(budget.admit() == .leaveOut) }
    #expect(budget.periodDidEnd() == 7)
    #expect(budget.admit() == .log(startsPeriod: true))
    #expect(budget.periodDidEnd() == 0)
  }
}
