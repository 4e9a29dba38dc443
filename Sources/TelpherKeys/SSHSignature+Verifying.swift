internal import CTelpherCrypto

extension SSHSignature {
  /// What a security key has confirmed about its user.
  package struct Confirmation: Sendable, Equatable {
    /// The user has touched it.
    package var isTouched: Bool
    /// It has checked who touched it, by a PIN or a fingerprint.
    package var isVerified: Bool

    /// A confirmation.
    package init(isTouched: Bool, isVerified: Bool) {
      self.isTouched = isTouched
      self.isVerified = isVerified
    }
  }

  /// What `verify` found.
  package enum Verdict: Sendable, Equatable {
    /// The signature is right. For a key on a security key, what that has confirmed.
    case valid(Confirmation?)
    /// It is not the signature of this message for this purpose by this key.
    case invalid
  }

  /// Checks that the holder of `key` has signed `message` for the purpose `namespace`.
  ///
  /// SHA-1 is never accepted. The caller decides what a security key must have confirmed.
  package func verify(_ message: [UInt8], namespace: String) -> Verdict {
    guard self.namespace.utf8.elementsEqual(namespace.utf8) else { return .invalid }
    let data = Self.signedData(namespace: namespace, digest: digest, message: message)
    do throws(KeyError) {
      var reader = SSHReader(signature)
      let algorithm = try reader.name()
      let bytes = try reader.string()
      switch key.kind {
      case .ed25519(let key):
        try reader.end()
        let isRight = algorithm == "ssh-ed25519" && Self.isEd25519(bytes, of: data, by: key)
        return isRight ? .valid(nil) : .invalid
      case .ecdsa(let curve, let point):
        try reader.end()
        let isRight =
          algorithm == key.type ? try Self.isECDSA(bytes, of: data, by: point, curve) : false
        return isRight ? .valid(nil) : .invalid
      case .rsa(let exponent, let modulus):
        try reader.end()
        return Self.isRSA(bytes, algorithm, of: data, exponent, modulus) ? .valid(nil) : .invalid
      case .securityEd25519(let key, let application):
        guard algorithm == self.key.type else { return .invalid }
        let (signed, confirmation) = try Self.confirmed(data, application, &reader)
        return Self.isEd25519(bytes, of: signed, by: key) ? .valid(confirmation) : .invalid
      case .securityECDSA(let point, let application):
        guard algorithm == self.key.type else { return .invalid }
        let (signed, confirmation) = try Self.confirmed(data, application, &reader)
        return try Self.isECDSA(bytes, of: signed, by: point, .p256)
          ? .valid(confirmation) : .invalid
      }
    } catch {
      return .invalid
    }
  }

  private static func isEd25519(_ signature: [UInt8], of data: [UInt8], by key: [UInt8]) -> Bool {
    guard signature.count == 64 else { return false }
    return telpher_verify_ed25519(key, data, data.count, signature) == 1
  }

  private static func isECDSA(
    _ signature: [UInt8], of data: [UInt8], by point: [UInt8], _ curve: SSHPublicKey.Curve
  ) throws(KeyError) -> Bool {
    var numbers = SSHReader(signature)
    let r = try numbers.positiveNumber()
    let s = try numbers.positiveNumber()
    try numbers.end()
    guard max(r.count, s.count) <= curve.coordinateLength else { return false }
    let (name, digest) =
      switch curve {
      case .p256: ("prime256v1", "SHA256")
      case .p384: ("secp384r1", "SHA384")
      case .p521: ("secp521r1", "SHA512")
      }
    return telpher_verify_ecdsa(
      name, point, point.count, digest, data, data.count, r, r.count, s, s.count) == 1
  }

  private static func isRSA(
    _ signature: [UInt8], _ algorithm: String, of data: [UInt8], _ exponent: [UInt8],
    _ modulus: [UInt8]
  ) -> Bool {
    let digest: KeyDigest
    switch algorithm {
    case "rsa-sha2-512": digest = .sha512
    case "rsa-sha2-256": digest = .sha256
    default: return false
    }
    guard signature.count <= modulus.count else { return false }
    // Some signers omit leading zeros; OpenSSH accepts that too.
    let padded = [UInt8](repeating: 0, count: modulus.count - signature.count) + signature
    return telpher_verify_rsa(
      modulus, modulus.count, exponent, exponent.count, digest.algorithm, data, data.count, padded,
      padded.count) == 1
  }

  /// The bytes that a security key signs for `data`, and what it confirms.
  ///
  ///     byte[32]  SHA-256 of the application
  ///     byte      flags: 1 touched, 4 user verified
  ///     uint32    counter
  ///     byte[32]  SHA-256 of the data
  private static func confirmed(
    _ data: [UInt8], _ application: [UInt8], _ reader: inout SSHReader
  ) throws(KeyError) -> (signed: [UInt8], Confirmation) {
    let flags = try reader.byte()
    let counter = try reader.take(4)
    try reader.end()
    let signed = KeyDigest.sha256(application) + [flags] + counter + KeyDigest.sha256(data)
    return (signed, Confirmation(isTouched: flags & 1 != 0, isVerified: flags & 4 != 0))
  }
}
