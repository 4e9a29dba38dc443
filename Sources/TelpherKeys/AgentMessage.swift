/// The messages of an ssh-agent (draft-miller-ssh-agent) that list its keys and let it sign.
///
///     uint32    length of the rest
///     byte      type
///     ...
package enum AgentMessage {
  /// A key that the agent holds.
  package struct Identity: Sendable, Equatable {
    /// The encoded key. It may be of a type that this program does not know.
    package let blob: [UInt8]
    /// The key; nil if its type is not supported, as for a certificate.
    package let key: SSHPublicKey?
    /// The comment, usually the path of its file.
    package let comment: String
  }

  /// The longest message in bytes: the limit of OpenSSH's agent.
  package static let maxLength = 256 << 10
  /// The length of the length, in bytes.
  package static let prefixLength = 4

  private static let requestIdentities: UInt8 = 11
  private static let identitiesAnswer: UInt8 = 12
  private static let signRequest: UInt8 = 13
  private static let signResponse: UInt8 = 14
  private static let failure: UInt8 = 5
  /// Flag of a request to sign: an RSA key signs with SHA-512 instead of SHA-1.
  private static let rsaSHA512 = 4

  /// The request for the list of keys.
  package static var listRequest: [UInt8] { framed([requestIdentities]) }

  /// The request to sign `data` with a key.
  package static func signRequest(_ data: [UInt8], with key: SSHPublicKey) -> [UInt8] {
    var writer = SSHWriter()
    writer.raw([signRequest])
    writer.string(key.blob)
    writer.string(data)
    if case .rsa = key.kind { writer.uint32(rsaSHA512) } else { writer.uint32(0) }
    return framed(writer.bytes)
  }

  private static func framed(_ body: [UInt8]) -> [UInt8] {
    var writer = SSHWriter()
    writer.string(body)
    return writer.bytes
  }

  /// The length of an answer's body, from its first `prefixLength` bytes.
  ///
  /// - Throws: `KeyError` if it is empty or too long.
  package static func bodyLength(_ prefix: [UInt8]) throws(KeyError) -> Int {
    var reader = SSHReader(prefix)
    let length = Int(try reader.uint32())
    guard (1...maxLength).contains(length) else {
      throw KeyError("the ssh-agent's answer has \(length) bytes, not 1 to \(maxLength)")
    }
    return length
  }

  /// The keys in the body of the answer to `listRequest`.
  ///
  /// - Throws: `KeyError` if the agent refused, or if the answer is malformed.
  package static func identities(_ body: [UInt8]) throws(KeyError) -> [Identity] {
    var reader = try answer(body, type: identitiesAnswer, "list its keys")
    do throws(KeyError) {
      var identities: [Identity] = []
      // Each takes bytes of the answer, so a false count ends with an error before it costs memory.
      for _ in 0..<(try reader.uint32()) {
        let blob = try reader.string()
        let comment = String(decoding: try reader.string(), as: UTF8.self)
        identities.append(
          Identity(blob: blob, key: try? SSHPublicKey(blob: blob), comment: comment))
      }
      try reader.end()
      return identities
    } catch {
      throw KeyError("the ssh-agent's list of keys can't be read: \(error)")
    }
  }

  /// The signature in the body of the answer to a request to sign.
  ///
  /// - Throws: `KeyError` if the agent refused, or if the answer is malformed.
  package static func signature(_ body: [UInt8]) throws(KeyError) -> [UInt8] {
    var reader = try answer(body, type: signResponse, "sign with this key")
    do throws(KeyError) {
      let signature = try reader.string()
      try reader.end()
      return signature
    } catch {
      throw KeyError("the ssh-agent's signature can't be read: \(error)")
    }
  }

  private static func answer(
    _ body: [UInt8], type: UInt8, _ what: String
  ) throws(KeyError) -> SSHReader {
    var reader = SSHReader(body)
    let actual = try reader.byte()
    guard actual != failure else { throw KeyError("the ssh-agent refuses to \(what)") }
    guard actual == type else {
      throw KeyError("the ssh-agent answers with a message of type \(actual)")
    }
    return reader
  }
}
