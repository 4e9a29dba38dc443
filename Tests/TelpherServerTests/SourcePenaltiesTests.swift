import Testing

@testable import TelpherServer

@Suite("Penalties of source addresses")
struct SourcePenaltiesTests {
  private let second: UInt64 = 1_000_000_000

  @Test("keep a source out after several failures, until enough time has passed")
  func growAndFall() {
    var penalties = SourcePenalties()
    let start: UInt64 = 100 * second
    for _ in 0..<2 { penalties.add(.wrongProof, of: "192.0.2.1", at: start) }
    #expect(!penalties.isPenalized("192.0.2.1", at: start))
    penalties.add(.wrongProof, of: "192.0.2.1", at: start)
    #expect(penalties.isPenalized("192.0.2.1", at: start))
    #expect(!penalties.isPenalized("192.0.2.2", at: start))
    #expect(!penalties.isPenalized("192.0.2.1", at: start + 1))
  }

  @Test("end if a client from there authenticates")
  func forgiven() {
    var penalties = SourcePenalties()
    for source in ["2001:db8::1", "192.0.2.1"] {
      for _ in 0..<3 { penalties.add(.wrongProof, of: source, at: 0) }
    }
    penalties.forgive("2001:db8::2")
    #expect(!penalties.isPenalized("2001:db8::1", at: 0))
    #expect(penalties.isPenalized("192.0.2.1", at: 0))
  }

  @Test("end after 10 minutes at the latest")
  func longest() {
    var penalties = SourcePenalties()
    for _ in 0..<10_000 { penalties.add(.tookTooLong, of: "a", at: 5) }
    #expect(penalties.isPenalized("a", at: 585 * second))
    #expect(!penalties.isPenalized("a", at: 586 * second))
  }

  @Test("count all addresses of one IPv6 network together")
  func networks() {
    for (first, second) in [
      ("2001:db8::1", "2001:db8:0:0:ffff::2"), ("fe80::1%eth0", "fe80::2%eth0"),
      ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
    ] { #expect(SourcePenalties.key(first) == SourcePenalties.key(second)) }
    for (first, second) in [
      ("2001:db8:1::1", "2001:db8:2::1"), ("192.0.2.1", "192.0.2.2"),
      ("::ffff:192.0.2.1", "::ffff:192.0.2.2"), ("::1", "1::"),
    ] { #expect(SourcePenalties.key(first) != SourcePenalties.key(second)) }
  }

  @Test("are kept for a bounded number of sources, and longest for the worst")
  func bounded() {
    var penalties = SourcePenalties()
    for _ in 0..<10 { penalties.add(.tookTooLong, of: "worst", at: 0) }
    for index in 0..<(2 * SourcePenalties.maxSources) {
      penalties.add(.left, of: "source \(index)", at: 0)
    }
    #expect(penalties.isPenalized("worst", at: 0))
    #expect(penalties.count <= SourcePenalties.maxSources)
  }
}
