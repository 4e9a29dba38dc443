import Testing

@testable import TelpherFleet

@Suite struct EngineNamesTests {
  @Test func anIDHas32Digits() {
    #expect(JobID("00112233445566778899aabbccddeeff") != nil)
    for text in [
      "", "00112233445566778899aabbccddeef", "00112233445566778899aabbccddeefff",
      "00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddeeg0",
    ] {
      #expect(JobID(text) == nil, "\(text)")
    }
    let bytes: [UInt8] = [0, 1, 15, 16, 254, 255] + [UInt8](repeating: 7, count: 10)
    #expect(JobID(bytes: bytes).description == "00010f10feff" + String(repeating: "07", count: 10))
    #expect(JobID(JobID.random().description) != nil)
    #expect(JobID.random() != JobID.random())
  }

  @Test(arguments: ["a", "Web-1_x", "9", String(repeating: "x", count: 64)])
  func namesAreOnePartOfASubject(_ text: String) {
    #expect(FleetName(text)?.description == text)
    #expect(QueueName(text)?.description == text)
    #expect(QueueName("@" + text)?.description == "@" + text)
  }

  @Test(arguments: [
    "", "a.b", "a b", "*", ">", "-a", "_a", "a/b", "..", "\u{e9}", "a\n", "@", "@@a",
    String(repeating: "x", count: 65),
  ])
  func otherTextIsNoName(_ text: String) {
    #expect(FleetName(text) == nil)
    #expect(QueueName(text) == nil)
  }
}
