import TelpherTestSupport
import Testing

@testable import TelpherKeys

/// The parsers must accept or refuse any input, without a crash, and what they accept must be the
/// same when it is written and read again. Tests/Fuzz does the same without end.
struct AnyBytesTests {
  private static let rounds = Scale.isFull ? 400_000 : 5_000

  @Test(arguments: [1, 2, 3] as [UInt64])
  func mutatedInputIsReadOrRefused(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let key = SSHPublicKey(ed25519: [UInt8](repeating: 1, count: 32))!
    let signature = SSHSignature(
      key: key, namespace: "telpher", digest: .sha512,
      signature: [0, 0, 0, 11] + Array("ssh-ed25519".utf8) + [0, 0, 0, 64]
        + [UInt8](repeating: 9, count: 64))
    let text = """
      restrict,pty,from="10.0.0.0/8,!10.1.*",command="a \\"b\\"" \(key) me
      [host]:22,*.b|1 \(key)
      |1|BwcHBwcHBwcHBwcHBwcHBwcHBwc=|BwcHBwcHBwcHBwcHBwcHBwcHBwc= \(key)
      @revoked * \(key)
      expiry-time="20300101Z",permitopen="[::1]:22",permitlisten="*:80" \(key)
      """
    let seeds = [key.blob, signature.blob, Array(signature.armored.utf8), Array(text.utf8)]
    for _ in 0..<Self.rounds {
      var bytes = seeds.randomElement(using: &random)!
      for _ in 0..<Int.random(in: 1...4, using: &random) { Self.mutate(&bytes, &random) }
      AnyInput.read(bytes)
    }
  }

  private static func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    guard !bytes.isEmpty else { return bytes.append(.random(in: 0...255, using: &random)) }
    let position = Int.random(in: 0..<bytes.count, using: &random)
    switch Int.random(in: 0..<4, using: &random) {
    case 0: bytes[position] = .random(in: 0...255, using: &random)
    case 1: bytes.remove(at: position)
    case 2: bytes.insert(.random(in: 0...255, using: &random), at: position)
    default:
      let end = Int.random(in: position...min(bytes.count, position + 20), using: &random)
      bytes.insert(
        contentsOf: bytes[position..<end], at: Int.random(in: 0...bytes.count, using: &random))
    }
  }
}
