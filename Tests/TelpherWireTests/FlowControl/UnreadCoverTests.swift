import Testing

@testable import TelpherWire

@Suite struct UnreadCoverTests {
  /// A quarter, 16 bytes, is free. It grows in steps of 4.
  private var cover = UnreadCover(window: 64, limit: 100)

  @Test func `A quarter of the window needs no growth`() {
    #expect(cover.wanted(unread: 16, growth: 0) == nil)
    #expect(cover.wanted(unread: 17, growth: 0) == 4)
    #expect(cover.wanted(unread: 20, growth: 0) == 4)
    #expect(cover.wanted(unread: 21, growth: 0) == 8)
  }

  @Test func `Bytes that the channels have grown by need no growth either`() {
    #expect(cover.wanted(unread: 30, growth: 20) == nil)
    #expect(cover.wanted(unread: 37, growth: 20) == 4)
  }

  @Test func `The cover has a limit`() { #expect(cover.wanted(unread: 10_000, growth: 0) == 100) }

  @Test
  mutating func `The cover shrinks only if much of it is not needed, and to nothing in the end`() {
    cover.set(20)
    #expect(cover.wanted(unread: 36, growth: 0) == nil)
    #expect(cover.wanted(unread: 28, growth: 0) == nil)
    #expect(cover.wanted(unread: 24, growth: 0) == 8)
    cover.set(4)
    #expect(cover.wanted(unread: 17, growth: 0) == nil)
    #expect(cover.wanted(unread: 16, growth: 0) == 0)
    cover.set(0)
    #expect(cover.wanted(unread: 16, growth: 0) == nil)
  }
}
