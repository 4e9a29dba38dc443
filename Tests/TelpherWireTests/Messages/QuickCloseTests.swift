@testable import TelpherWire
import Testing

@Suite struct QuickCloseTests {
  @Test func theQuickEncodingHasTheBytesOfTheGeneralOne() throws {
    var random = SystemRandomNumberGenerator()
    let kinds: [CloseResult.Kind] = [.exited, .signaled, .timedOut, .canceled]
    let numbers: [Int64] = [0, 1, 9, 10, 4_096, -1, .max, .min]
    let times = [0, 1, 1.25, 0.001, 1e16, 1e-7, 123_456.789, 604_800_000, .greatestFiniteMagnitude]
    func number() -> Int64 { numbers.randomElement(using: &random)! }
    func time() -> Double { times.randomElement(using: &random)! }
    func isSet() -> Bool { Bool.random(using: &random) }
    for _ in 0..<2_000 {
      var result = CloseResult(kinds.randomElement(using: &random)!)
      if isSet() { result.code = Int32.random(in: -300...300, using: &random) }
      if isSet() { result.signal = Int32.random(in: 0...127, using: &random) }
      result.bytes = [
        "1": UInt64.random(in: 0...UInt64.max, using: &random), "2": isSet() ? 0 : .max,
      ]
      result.wallMS = time()
      if isSet() {
        result.rusage = CloseResult.Usage(
          userMS: time(), systemMS: time(), maxRSSKiB: isSet() ? number() : nil,
          minorFaults: number(), majorFaults: number(), voluntarySwitches: number(),
          involuntarySwitches: number())
      }
      let quick = try #require(result.quicklyEncoded())
      #expect(quick == JSONCoding.encode(result))
    }
  }

  @Test func resultsWithOtherMembersAreEncodedInTheGeneralWay() throws {
    var plain = CloseResult(.exited)
    (plain.code, plain.bytes, plain.wallMS) = (0, ["1": 1, "2": 2], 1)
    #expect(plain.quicklyEncoded() != nil)
    let changes: [(inout CloseResult) -> Void] = [
      { $0.message = "x" }, { $0.pipeHeld = true }, { $0.survivors = true }, { $0.errno = 1 },
      { $0.coreDumped = true }, { $0.stage = "execute" }, { $0.must = [] }, { $0.path = "p" },
      { $0.bytes = nil }, { $0.bytes = ["1": 1] }, { $0.bytes = ["1": 1, "2": 2, "3": 3] },
      { $0.wallMS = nil }, { $0.result = .ok }, { $0.result = CloseResult.Kind("\"") },
    ]
    for change in changes {
      var result = plain
      change(&result)
      #expect(result.quicklyEncoded() == nil)
      #expect(result.encoded() == JSONCoding.encode(result))
    }
  }
}
