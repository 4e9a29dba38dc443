import Testing

@testable import TelpherWire

@Suite struct StreamTableTests {
  private static func state() -> StreamState {
    StreamState(role: .server, sendWindow: 1, receiveWindow: ReceiveWindow(size: 1), noInput: false)
  }

  @Test(arguments: UInt64(0)..<50) func `It holds the same streams as a dictionary`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var table = StreamTable()
    var expected: [StreamID: StreamState] = [:]
    var last: StreamID = 0
    for _ in 0..<300 {
      if Bool.random(using: &generator) {
        last += StreamID.random(in: 1...5, using: &generator)
        let state = Self.state()
        table.add(last, state)
        expected[last] = state
      } else {
        // Also numbers that were never added or were removed before.
        let number = StreamID.random(in: 0...last + 2, using: &generator)
        #expect(table.remove(number) === expected.removeValue(forKey: number))
      }
      #expect(table.count == expected.count)
    }
    for number in 0...last + 2 { #expect(table[number] === expected[number]) }
    let states = expected.sorted { $0.key < $1.key }.map { ObjectIdentifier($0.value) }
    #expect(table.states.map { ObjectIdentifier($0) } == states)
  }
}
