import Testing

@testable import TelpherWire

/// Two sessions joined by queues of bytes that are cut at random, with both sides doing at random
/// what they may. Whatever happens, no byte is lost, doubled or moved, and no credit is.
@Suite struct SessionModelTests {
  @Test(arguments: UInt64(0)..<300) func `Bytes and credit are conserved`(seed: UInt64) throws {
    var model = SessionModel(seed: seed)
    for _ in 0..<400 { try model.step() }
    try model.finish()
  }
}
