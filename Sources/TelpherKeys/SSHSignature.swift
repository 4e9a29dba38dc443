internal import TelpherJSON

/// A signature in the format of `ssh-keygen -Y sign` (OpenSSH's PROTOCOL.sshsig).
///
///     byte[6]   "SSHSIG"
///     uint32    version: 1
///     string    public key
///     string    namespace: what the signature is for
///     string    reserved
///     string    digest algorithm of the message: "sha256" or "sha512"
///     string    signature
///
/// What is signed is `signedData(namespace:digest:message:)`, so a signature for one purpose is never
/// one for another.
package struct SSHSignature: Sendable, Equatable {
  /// The key that the signer claims to have. Only `verify` shows that it is true.
  package let key: SSHPublicKey
  /// What it is for.
  package let namespace: String
  /// The digest of the message that was signed.
  package let digest: KeyDigest
  /// The algorithm and the bytes of the signature itself, as an ssh-agent gives it.
  package let signature: [UInt8]

  /// The longest blob in bytes: the largest key, its signature, and short names.
  package static let maxLength = 8_192
  private static let magic = Array("SSHSIG".utf8)
  private static let version: UInt32 = 1

  /// A signature of these parts.
  package init(key: SSHPublicKey, namespace: String, digest: KeyDigest, signature: [UInt8]) {
    self.key = key
    self.namespace = namespace
    self.digest = digest
    self.signature = signature
  }

  /// Reads a signature from its blob.
  ///
  /// - Throws: `KeyError` if it is not exactly one of this version.
  package init(blob: [UInt8]) throws(KeyError) {
    do throws(KeyError) {
      guard blob.count <= Self.maxLength else { throw KeyError("it is too long") }
      var reader = SSHReader(blob)
      guard Array(try reader.take(Self.magic.count)) == Self.magic else {
        throw KeyError("it does not begin with SSHSIG")
      }
      guard try reader.uint32() == Self.version else { throw KeyError("its version is unknown") }
      key = try SSHPublicKey(blob: try reader.string())
      namespace = try reader.name()
      guard !namespace.isEmpty else { throw KeyError("it has no namespace") }
      guard try reader.string().isEmpty else { throw KeyError("its reserved field is not empty") }
      let name = try reader.name()
      guard let digest = KeyDigest(rawValue: name) else {
        throw KeyError("the digest '\(name.prefix(32))' is not supported")
      }
      self.digest = digest
      signature = try reader.string()
      try reader.end()
    } catch {
      throw KeyError("the signature can't be read: \(error)")
    }
  }

  /// The blob.
  package var blob: [UInt8] {
    var writer = SSHWriter()
    writer.raw(Self.magic)
    writer.uint32(Int(Self.version))
    writer.string(key.blob)
    writer.string(namespace)
    writer.string("")
    writer.string(digest.rawValue)
    writer.string(signature)
    return writer.bytes
  }

  /// The bytes that are signed.
  package static func signedData(
    namespace: String, digest: KeyDigest, message: [UInt8]
  ) -> [UInt8] {
    var writer = SSHWriter()
    writer.raw(magic)
    writer.string(namespace)
    writer.string("")
    writer.string(digest.rawValue)
    writer.string(digest(message))
    return writer.bytes
  }

  // MARK: Text

  private static let begin = "-----BEGIN SSH SIGNATURE-----"
  private static let end = "-----END SSH SIGNATURE-----"
  /// The characters in a line, as ssh-keygen writes them.
  private static let lineLength = 70

  /// Reads the text that `ssh-keygen -Y sign` writes.
  ///
  /// - Throws: `KeyError` if it is not exactly one signature.
  package init(armored text: String) throws(KeyError) {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    guard lines.count >= 3, lines.first == Self.begin[...], lines.last == Self.end[...],
      let blob = Base64.decodeCanonical(lines.dropFirst().dropLast().joined())
    else { throw KeyError("the text is not an SSH signature") }
    try self.init(blob: blob)
  }

  /// The text, as `ssh-keygen -Y verify` reads it.
  package var armored: String {
    var rest = Base64.encode(blob)[...]
    var text = Self.begin + "\n"
    while !rest.isEmpty {
      text += rest.prefix(Self.lineLength) + "\n"
      rest = rest.dropFirst(Self.lineLength)
    }
    return text + Self.end + "\n"
  }
}
