import Testing

@testable import TelpherUV

struct TurnShareTests {
  @Test func theShareShrinksWithTheNumberOfStreamsThatUseItUp() {
    var share = TurnShare()
    var sizes: [Int] = []
    for users in [1, 2, 4, 8, 100, 3, 0] {
      for _ in 0..<users { share.didUseUp() }
      share.endTurn()
      sizes.append(share.size >> 10)
    }
    #expect(sizes == [256, 256, 128, 64, 64, 170, 256])
    #expect(share.turn == 7)
  }

  @Test func usedUpSharesChangeOnlyTheNextTurn() {
    var share = TurnShare()
    for _ in 0..<8 { share.didUseUp() }
    #expect(share.size == 256 << 10)
  }
}
