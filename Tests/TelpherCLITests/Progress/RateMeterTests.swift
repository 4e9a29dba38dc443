import Testing

@testable import TelpherCLI

struct RateMeterTests {
  @Test func thereIsNoRateBeforeAnythingMoved() {
    var meter = RateMeter()
    #expect(meter.bytesPerSecond == nil)
    meter.add(0, at: 1)
    #expect(meter.bytesPerSecond == nil)
  }

  @Test func aSteadyRateIsMeasured() {
    var meter = RateMeter()
    for tenth in 1...100 { meter.add(Int64(tenth) * 100, at: Double(tenth) / 10) }
    #expect(abs(meter.bytesPerSecond! - 1_000) < 0.001)
  }

  @Test func samplesBeforeTheWindowAreIgnored() {
    var meter = RateMeter()
    meter.add(1_000_000, at: 1)
    for second in 2...10 { meter.add(1_000_000 + Int64(second) * 10, at: Double(second)) }
    #expect(abs(meter.bytesPerSecond! - 10) < 0.001)
  }

  @Test func aStalledTransferHasNoRate() {
    var meter = RateMeter()
    meter.add(1_000, at: 1)
    for second in 2...10 { meter.add(1_000, at: Double(second)) }
    #expect(meter.bytesPerSecond == nil)
  }
}
