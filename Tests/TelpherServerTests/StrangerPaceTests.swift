import Testing

@testable import TelpherServer

struct StrangerPaceTests {
  private static let second: UInt64 = 1_000_000_000

  /// Admits strangers as fast as the pace allows until `end`, and returns their number.
  private func count(_ pace: inout StrangerPace, from start: UInt64, to end: UInt64) -> Int {
    var now = start
    var count = 0
    while now < end {
      count += 1
      if let pause = pace.admit(at: now) { now += pause }
    }
    return count
  }

  @Test func strangersMayConnectAtOnceUpToALimit() {
    var pace = StrangerPace()
    for _ in 0..<255 { #expect(pace.admit(at: Self.second) == nil) }
    #expect(pace.admit(at: Self.second) == 8_000_000)
  }

  @Test func strangersThatKeepConnectingAreAcceptedAtASteadyRate() {
    var pace = StrangerPace()
    let first = count(&pace, from: Self.second, to: 2 * Self.second)
    #expect((2_000...2_300).contains(first))
    let second = count(&pace, from: 2 * Self.second, to: 3 * Self.second)
    #expect((1_980...2_020).contains(second))
  }

  @Test func connectionsThatAuthenticateAreNotCounted() {
    var pace = StrangerPace()
    for _ in 0..<10_000 {
      #expect(pace.admit(at: Self.second) == nil)
      pace.didAuthenticate()
    }
  }

  @Test func aQuietTimeRestoresTheLimit() {
    var pace = StrangerPace()
    _ = count(&pace, from: Self.second, to: 2 * Self.second)
    for _ in 0..<255 { #expect(pace.admit(at: 9 * Self.second) == nil) }
    #expect(pace.admit(at: 9 * Self.second) != nil)
  }
}
