import Testing

@testable import TelpherRelay

/// When a relay ends.
struct RelayLifeTests {
  @Test func aRelayEndsWithoutAnyClient() {
    var life = RelayLife(keep: 10, at: 100)
    #expect(life.check(at: 100) == .check(after: 10))
    #expect(life.check(at: 110) == .end)
    #expect(life.phase == .over)
    #expect(life.check(at: 120) == .wait)
  }

  @Test func aRelayLivesWhileAClientIsThereAndSomeTimeAfterIt() {
    var life = RelayLife(keep: 10, at: 100)
    life.clientDidArrive()
    #expect(life.check(at: 1_000) == .wait)
    #expect(life.left(at: 1_000) == nil)
    #expect(life.clientDidLeave(wasUsed: true, keep: nil, at: 1_000) == .check(after: 10))
    #expect(life.left(at: 1_004) == 6)
    #expect(life.check(at: 1_010) == .end)
  }

  @Test func theLastUseSaysHowLongItLives() {
    var life = RelayLife(keep: 10, at: 0)
    life.clientDidArrive()
    life.clientDidArrive()
    #expect(life.clientDidLeave(wasUsed: true, keep: 500, at: 20) == .wait)
    #expect(life.clientDidLeave(wasUsed: true, keep: 30, at: 40) == .check(after: 30))
    life.clientDidArrive()
    #expect(life.clientDidLeave(wasUsed: true, keep: .max, at: 50) == .wait)
  }

  @Test func aClientThatOnlyLooksDoesNotProlongIt() {
    var life = RelayLife(keep: 10, at: 0)
    life.clientDidArrive()
    #expect(life.clientDidLeave(wasUsed: false, keep: 500, at: 4) == .check(after: 6))
    life.clientDidArrive()
    #expect(life.clientDidLeave(wasUsed: false, keep: nil, at: 30) == .end)
  }

  @Test func aDrainingRelayEndsWithItsLastClient() {
    var life = RelayLife(keep: 10, at: 0)
    life.clientDidArrive()
    #expect(life.drain(at: 1) == .wait)
    #expect(life.phase == .draining)
    #expect(life.clientDidLeave(wasUsed: true, keep: 10, at: 2) == .end)
    #expect(life.drain(at: 3) == .wait)
  }

  @Test func anIdleRelayEndsWhenItIsDrained() {
    var life = RelayLife(keep: 10, at: 0)
    #expect(life.drain(at: 1) == .end)
  }
}
