import Testing

@testable import TelpherWire

/// Two sessions, connected by queues of bytes that are cut at random, take random actions. No byte
/// may be lost, duplicated or moved, and no credit lost.
@Suite struct SessionModelTests {
  @Test(arguments: UInt64(0)..<300) func `Bytes and credit are conserved`(seed: UInt64) throws {
    var model = SessionModel(seed: seed)
    for _ in 0..<400 { try model.step() }
    try model.finish()
  }
}
