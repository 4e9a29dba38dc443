internal import TelpherJSON
internal import TelpherText

/// A public key in the format of SSH (RFC 4253, RFC 5656, RFC 8709 and OpenSSH's PROTOCOL.u2f).
///
/// The encoding of a key is unique: two keys are equal if and only if their blobs have the same bytes.
package struct SSHPublicKey: Sendable, Hashable {
  /// What the key consists of.
  package enum Kind: Sendable, Hashable {
    /// Ed25519: 32 bytes.
    case ed25519([UInt8])
    /// ECDSA: an uncompressed point of a curve.
    case ecdsa(Curve, point: [UInt8])
    /// RSA: both numbers, the highest byte first, without leading zeros.
    case rsa(exponent: [UInt8], modulus: [UInt8])
    /// Ed25519 on a FIDO security key, for an application such as `ssh:`.
    case securityEd25519([UInt8], application: [UInt8])
    /// ECDSA P-256 on a FIDO security key, for an application such as `ssh:`.
    case securityECDSA(point: [UInt8], application: [UInt8])
  }

  /// The curves of ECDSA.
  package enum Curve: String, Sendable, CaseIterable {
    /// NIST P-256.
    case p256 = "nistp256"
    /// NIST P-384.
    case p384 = "nistp384"
    /// NIST P-521.
    case p521 = "nistp521"

    /// The bytes of one coordinate of a point.
    var coordinateLength: Int {
      switch self {
      case .p256: 32
      case .p384: 48
      case .p521: 66
      }
    }
  }

  /// What it consists of.
  package let kind: Kind
  /// Its encoding.
  package let blob: [UInt8]

  /// The smallest RSA key in bits. NIST SP 800-131A forbids shorter ones since 2014.
  package static let minRSABits = 2_048
  /// The largest RSA key in bits: its public key and its signature fit into a HELLO.
  package static let maxRSABits = 8_192
  /// The longest blob in bytes: the largest RSA key has 1,045, and an application 255.
  package static let maxBlobLength = 4_096
  /// The longest name of the application of a security key, in bytes (OpenSSH has the same limit).
  private static let maxApplicationLength = 255

  /// The Ed25519 key of 32 bytes; nil for another number of bytes.
  package init?(ed25519 key: [UInt8]) {
    guard key.count == 32 else { return nil }
    self.init(.ed25519(key))
  }

  private init(_ kind: Kind) {
    self.kind = kind
    var writer = SSHWriter()
    writer.string(Self.type(of: kind))
    switch kind {
    case .ed25519(let key): writer.string(key)
    case .ecdsa(let curve, let point):
      writer.string(curve.rawValue)
      writer.string(point)
    case .rsa(let exponent, let modulus):
      writer.positiveNumber(exponent)
      writer.positiveNumber(modulus)
    case .securityEd25519(let key, let application):
      writer.string(key)
      writer.string(application)
    case .securityECDSA(let point, let application):
      writer.string(Curve.p256.rawValue)
      writer.string(point)
      writer.string(application)
    }
    blob = writer.bytes
  }

  /// Reads an encoded key.
  ///
  /// - Throws: `KeyError` if it is not exactly the encoding of a key of a known type.
  package init(blob: [UInt8]) throws(KeyError) {
    do throws(KeyError) {
      self = try Self.read(blob)
    } catch {
      throw KeyError("the public key can't be read: \(error)")
    }
    guard self.blob == blob else { preconditionFailure("each reader takes only what is written") }
  }

  private static func read(_ blob: [UInt8]) throws(KeyError) -> SSHPublicKey {
    guard blob.count <= maxBlobLength else {
      throw KeyError("it has \(blob.count) bytes, more than \(maxBlobLength)")
    }
    var reader = SSHReader(blob)
    let type = try reader.name()
    let kind: Kind
    switch type {
    case "ssh-ed25519": kind = .ed25519(try ed25519(&reader))
    case "ecdsa-sha2-nistp256": kind = .ecdsa(.p256, point: try point(.p256, &reader))
    case "ecdsa-sha2-nistp384": kind = .ecdsa(.p384, point: try point(.p384, &reader))
    case "ecdsa-sha2-nistp521": kind = .ecdsa(.p521, point: try point(.p521, &reader))
    case "ssh-rsa": kind = try rsa(&reader)
    case "sk-ssh-ed25519@openssh.com":
      kind = .securityEd25519(try ed25519(&reader), application: try application(&reader))
    case "sk-ecdsa-sha2-nistp256@openssh.com":
      kind = .securityECDSA(
        point: try point(.p256, &reader), application: try application(&reader))
    default: throw KeyError("keys of the type '\(type.prefix(64))' are not supported")
    }
    try reader.end()
    return SSHPublicKey(kind)
  }

  private static func ed25519(_ reader: inout SSHReader) throws(KeyError) -> [UInt8] {
    let key = try reader.string()
    guard key.count == 32 else { throw KeyError("an Ed25519 key has 32 bytes, not \(key.count)") }
    return key
  }

  private static func point(_ curve: Curve, _ reader: inout SSHReader) throws(KeyError) -> [UInt8] {
    guard try reader.name() == curve.rawValue else { throw KeyError("it names two curves") }
    let point = try reader.string()
    // 4 begins an uncompressed point (SEC 1). Whether it is on the curve is checked with a signature.
    guard point.count == 1 + 2 * curve.coordinateLength, point.first == 4 else {
      throw KeyError("its point is not an uncompressed point of \(curve.rawValue)")
    }
    return point
  }

  private static func rsa(_ reader: inout SSHReader) throws(KeyError) -> Kind {
    let exponent = try reader.positiveNumber()
    let modulus = try reader.positiveNumber()
    let bits = bitCount(modulus)
    guard (minRSABits...maxRSABits).contains(bits) else {
      throw KeyError("an RSA key of \(bits) bits is not between \(minRSABits) and \(maxRSABits)")
    }
    // A longer exponent only makes verification slower, by an amount that the client would choose.
    guard exponent.count <= 8, exponent.last.map({ $0 & 1 == 1 }) == true, exponent != [1],
      modulus.last.map({ $0 & 1 == 1 }) == true
    else { throw KeyError("its numbers are not those of an RSA key") }
    return .rsa(exponent: exponent, modulus: modulus)
  }

  private static func application(_ reader: inout SSHReader) throws(KeyError) -> [UInt8] {
    let application = try reader.string()
    guard application.count <= maxApplicationLength else {
      throw KeyError("the name of its application is too long")
    }
    return application
  }

  private static func bitCount(_ number: [UInt8]) -> Int {
    guard let first = number.first else { return 0 }
    return number.count * 8 - first.leadingZeroBitCount
  }

  private static func type(of kind: Kind) -> String {
    switch kind {
    case .ed25519: "ssh-ed25519"
    case .ecdsa(let curve, _): "ecdsa-sha2-\(curve.rawValue)"
    case .rsa: "ssh-rsa"
    case .securityEd25519: "sk-ssh-ed25519@openssh.com"
    case .securityECDSA: "sk-ecdsa-sha2-nistp256@openssh.com"
    }
  }

  /// The name of its type, for instance `ssh-ed25519`.
  package var type: String { Self.type(of: kind) }

  /// Its size in bits, as `ssh-keygen -l` prints it.
  package var bits: Int {
    switch kind {
    case .ed25519, .securityEd25519, .securityECDSA: 256
    case .ecdsa(.p256, _): 256
    case .ecdsa(.p384, _): 384
    case .ecdsa(.p521, _): 521
    case .rsa(_, let modulus): Self.bitCount(modulus)
    }
  }

  /// Whether the private key is on a FIDO security key.
  package var isOnSecurityKey: Bool {
    switch kind {
    case .securityEd25519, .securityECDSA: true
    case .ed25519, .ecdsa, .rsa: false
    }
  }

  /// Its fingerprint, as `ssh-keygen -l` prints it: `SHA256:` and the digest in base64 without
  /// padding.
  package var fingerprint: String {
    let digits = Base64.encode(KeyDigest.sha256(blob))
    return "SHA256:" + digits.prefix { $0 != "=" }
  }
}

extension SSHPublicKey: CustomStringConvertible {
  /// The type and the key in base64, as lines of files have it.
  package var description: String { "\(type) \(Base64.encode(blob))" }

  /// A key from one line of text, and the comment after it: `ssh-ed25519 AAAA... comment`.
  ///
  /// - Throws: `KeyError` if the line is not a key, or if its type is not that of the key.
  package static func parse(_ line: some StringProtocol) throws(KeyError) -> (
    key: SSHPublicKey, comment: String
  ) {
    let isSpace = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    var rest = Substring(line).utf8[...]
    func word() -> Substring {
      rest = rest.drop(while: isSpace)
      let word = rest.prefix { !isSpace($0) }
      rest = rest.dropFirst(word.count)
      return Substring(word)
    }
    let type = String(word())
    let base64 = String(word())
    guard !base64.isEmpty else { throw KeyError("a key consists of a type and base64") }
    guard base64.utf8.count <= (maxBlobLength + 2) / 3 * 4,
      let blob = Base64.decodeCanonical(base64)
    else { throw KeyError("the key after its type is not base64") }
    let key = try SSHPublicKey(blob: blob)
    guard key.type.utf8.elementsEqual(type.utf8) else {
      throw KeyError(
        "the line says '\(ShownText.escaped(String(type.prefix(64))))', but the key is of the type '\(key.type)'"
      )
    }
    var comment = rest.drop(while: isSpace)
    while let last = comment.last, isSpace(last) || last == UInt8(ascii: "\r") {
      comment = comment.dropLast()
    }
    return (key, String(Substring(comment)))
  }
}
