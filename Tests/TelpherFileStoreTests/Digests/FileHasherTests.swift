import Glibc
import TelpherFileStore
import TelpherTestSupport
import Testing

@Suite struct FileHasherTests {
  /// The examples of FIPS 180-4 and RFC 1321.
  @Test(
    arguments: [
      (.sha256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      (.sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        .sha256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      (.md5, "", "d41d8cd98f00b204e9800998ecf8427e"),
      (.md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
      (.md5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
      (.xxh128, "abc", "06b05ab6733a618578af5f94892f3950"),
    ] as [(DigestAlgorithm, String, String)])
  func digestsMatchPublishedExamples(algorithm: DigestAlgorithm, text: String, digest: String) {
    var hasher = FileHasher(algorithm)
    text.bytes.withUnsafeBytes { hasher.update($0) }
    #expect(hasher.digest == digest)
  }

  /// Sanity test vectors of xxHash for XXH128 without a seed. Each length takes another code path
  /// of the algorithm.
  @Test(arguments: [
    (0, "99aa06d3014798d86001c324468d497f"), (1, "a6cd5e9392000f6ac44bdff4074eecdb"),
    (6, "082afe0b8162d12a3e7039bdda43cfc6"), (12, "6e3efd8fc7802b18061a192713f69ad9"),
    (24, "0ce966e4678d37611e7044d28b1b901d"), (48, "a002ac4e5478227ef942219aed80f67b"),
    (81, "4952f58181ab00425e8bafb9f95fb803"), (222, "337e09641b948717f1aebd597cec6b3a"),
    (403, "1b6de21e332dd73dcdeb804d65c6dea4"), (512, "18d2d110dcc9bca1617e49599013cb6b"),
    (2048, "f736557fd47073a5dd59e2c3a5f038e0"), (2240, "ccb134fbfa7ce49d6e73a90539cf2948"),
    (2367, "e89c0f6ff369b427cb37aeb9e5d361ed"),
  ])
  func xxh128MatchesTestVectors(length: Int, digest: String) {
    let bytes = Self.sample(length)
    for piece in [1, 7, 64, 256, 1000, 4096] {
      var hasher = FileHasher(.xxh128)
      hasher.update(bytes, inPiecesOf: piece)
      #expect(hasher.digest == digest)
    }
  }

  @Test(arguments: DigestAlgorithm.allCases)
  func moreBytesMayFollowAfterADigest(algorithm: DigestAlgorithm) {
    let bytes = Self.sample(5000)
    var whole = FileHasher(algorithm)
    whole.update(bytes, inPiecesOf: 5000)
    var start = FileHasher(algorithm)
    start.update(Array(bytes[..<2000]), inPiecesOf: 2000)
    var asked = FileHasher(algorithm)
    asked.update(Array(bytes[..<2000]), inPiecesOf: 300)
    #expect(asked.digest == start.digest)
    asked.update(Array(bytes[2000...]), inPiecesOf: 300)
    #expect(asked.digest == whole.digest)
    #expect(asked.digest == whole.digest)
  }

  @Test(arguments: DigestAlgorithm.allCases) func copyContinuesIndependently(
    algorithm: DigestAlgorithm
  ) {
    let bytes = Self.sample(3000)
    var hasher = FileHasher(algorithm)
    hasher.update(bytes, inPiecesOf: 1000)
    let before = hasher
    let digest = hasher.digest
    hasher.update(bytes, inPiecesOf: 1000)
    #expect(before.digest == digest)
    #expect(hasher.digest != digest)
  }

  /// The input of xxHash's test vectors: the highest byte of each power of a 64-bit prime.
  private static func sample(_ length: Int) -> [UInt8] {
    var state: UInt64 = 2_654_435_761
    return (0..<length).map { _ in
      defer { state = state &* 11_400_714_785_074_694_797 }
      return UInt8(state >> 56)
    }
  }
}

extension FileHasher {
  fileprivate mutating func update(_ bytes: [UInt8], inPiecesOf size: Int) {
    bytes.withUnsafeBytes { bytes in
      for start in stride(from: 0, to: bytes.count, by: size) {
        let piece = bytes[start..<min(start + size, bytes.count)]
        update(UnsafeRawBufferPointer(rebasing: piece))
      }
    }
  }
}
