import Testing

@testable import TelpherClient

struct CarrierLoginTests {
  @Test func theDefaultLimitIsLongerWithATerminal() {
    #expect(CarrierLogin.limit(nil, hasTerminal: false) == .seconds(10))
    #expect(CarrierLogin.limit(nil, hasTerminal: true) == .seconds(120))
    #expect(CarrierLogin.limit(.seconds(3), hasTerminal: true) == .seconds(3))
    #expect(CarrierLogin.limit(.seconds(3), hasTerminal: false) == .seconds(3))
  }
}
