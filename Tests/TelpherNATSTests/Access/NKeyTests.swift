import TelpherAccess
import TelpherKeys
import TelpherNATS
import TelpherTestSupport
import Testing

@Suite struct NKeyTests {
  /// From the documentation of nats-server.
  private static let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
  private static let publicKey = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

  @Test func `A seed has its public key`() throws {
    let key = try NKey(seed: Self.seed)
    #expect(key.publicKey == Self.publicKey)
    #expect(key.seed == Self.seed)
  }

  @Test func `A new key can be read again`() throws {
    let key = NKey.randomUser()
    #expect(key.seed.hasPrefix("SU"))
    #expect(key.publicKey.hasPrefix("U"))
    #expect(try NKey(seed: key.seed).publicKey == key.publicKey)
  }

  @Test func `A damaged seed is refused, and not shown`() {
    let letters = Array(Self.seed)
    for place in letters.indices {
      var damaged = letters
      damaged[place] = letters[place] == "A" ? "B" : "A"
      do throws(NATSError) {
        _ = try NKey(seed: String(damaged))
        Issue.record("letter \(place)")
      } catch {
        #expect(!error.message.contains(Self.seed.suffix(20)))
      }
    }
    for text in ["", Self.publicKey, Self.seed + "A", Self.seed.lowercased()] {
      #expect(throws: NATSError.self) { try NKey(seed: text) }
    }
  }

  @Test func `A key that is printed reveals nothing`() throws {
    let key = try NKey(seed: Self.seed)
    #expect("\(key.key)" == "an ed25519 key")
    var dumped = ""
    dump(NATSCredentials.key(key), to: &dumped)
    #expect(!dumped.contains("7"))
  }

  /// RFC 8032, 7.1, test 2.
  @Test func `Signatures are those of the standard`() throws {
    let seed = try #require(
      Self.bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    let key = try #require(Ed25519Key(seed: seed))
    #expect(
      key.publicKey
        == Self.bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))
    #expect(
      key.sign([0x72])
        == Self.bytes(
          "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ))
    #expect(Ed25519Key(seed: []) == nil)
  }

  private static func bytes(_ hex: String) -> [UInt8]? {
    let digits = hex.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  // MARK: Files

  private static func credentials(_ text: String, mode: UInt32 = 0o600) throws -> NATSCredentials {
    let folder = try KeyFolder()
    try folder.write("file", text, mode: mode)
    return try NATSCredentials(contentsOf: SecretFile(folder.file("file")))
  }

  @Test func `A file holds one kind of credentials`() throws {
    guard case .key(let key) = try Self.credentials("# mine\n\nnkey:  \(Self.seed)\n") else {
      Issue.record("no nkey")
      return
    }
    #expect(key.publicKey == Self.publicKey)
    guard case .token("a b") = try Self.credentials("token: a b") else {
      Issue.record("no token")
      return
    }
    guard case .password("u", "p:q") = try Self.credentials("user: u\npassword: p:q\n") else {
      Issue.record("no password")
      return
    }
    let nsc = """
      -----BEGIN NATS USER JWT-----
      aaa.bbb.ccc
      ------END NATS USER JWT------

      ************************* IMPORTANT *************************
      -----BEGIN USER NKEY SEED-----
      \(Self.seed)
      ------END USER NKEY SEED------
      """
    guard case .signed("aaa.bbb.ccc", let signer) = try Self.credentials(nsc) else {
      Issue.record("no JWT")
      return
    }
    #expect(signer.publicKey == Self.publicKey)
  }

  @Test(arguments: [
    "", "nkey: SUAX", "user: u", "token: a\ntoken: b", "nonsense", "token: a\nuser: b",
  ])
  func `Another file is refused`(_ text: String) {
    #expect(throws: NATSError.self) { try Self.credentials(text) }
  }

  @Test func `A file that others can read is refused`() {
    #expect(throws: NATSError.self) { try Self.credentials("token: a", mode: 0o644) }
  }
}
