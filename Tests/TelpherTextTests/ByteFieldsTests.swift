import TelpherText
import Testing

@Suite struct ByteFieldsTests {
  /// Every string of up to six bytes of a small alphabet.
  @Test func fieldsAreThoseOfSplit() {
    var texts: [[UInt8]] = [[]]
    for _ in 0..<6 {
      texts = [[]] + texts.flatMap { text in [UInt8(47), 46, 0].map { text + [$0] } }
    }
    #expect(texts.count > 300)
    for text in texts {
      #expect(
        ByteFields(text, separator: 47).map(Array.init)
          == text.split(separator: 47).map(Array.init),
        "\(text)")
    }
  }
}
