internal import TelpherKeys

/// Who a client is, as it has proved.
///
/// Clients with equal identities share their jobs; others do not see them.
package struct Identity: Sendable, Hashable {
  /// How it was proved.
  package enum Proof: String, Sendable, Hashable {
    /// By the kernel, by a pipe from the process that started the server, or by the token: all of
    /// them are the server's own user, or root.
    case owner
    /// By the private key of an ssh key.
    case key
    /// By a certificate and its private key.
    case certificate
    /// By the kernel: another user of the machine.
    case user
  }

  /// How it was proved.
  package let proof: Proof
  /// Its name: the fingerprint of its key, a name in its certificate, or `uid:NUMBER`. Empty for the owner.
  package let name: String

  private init(_ proof: Proof, _ name: String) { (self.proof, self.name) = (proof, name) }

  /// The user whom the server belongs to.
  package static let owner = Identity(.owner, "")

  /// The holder of an ssh key, by its fingerprint.
  package static func key(_ fingerprint: String) -> Identity { Identity(.key, fingerprint) }

  /// The holder of a certificate, by a name in it.
  package static func certificate(_ name: String) -> Identity { Identity(.certificate, name) }

  /// Another user of the machine.
  package static func user(_ uid: UInt32) -> Identity { Identity(.user, "uid:\(uid)") }

  /// The id of another user of the machine; nil for another identity.
  package var uid: UInt32? { proof == .user ? UInt32(name.dropFirst("uid:".count)) : nil }
}

extension Identity {
  /// A name for a folder of this identity's: 20 hexadecimal digits of a digest. To have the folder of
  /// another one takes a key that collides in 80 bits and is also listed.
  package var folderName: String {
    Hexadecimal.text(Array(KeyDigest.sha256(Array("\(proof.rawValue) \(name)".utf8)).prefix(10)))
  }

  /// Whether `text` can be a `folderName`.
  package static func isFolderName(_ text: some StringProtocol) -> Bool {
    text.utf8.count == 20 && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
  }
}

extension Identity: CustomStringConvertible {
  /// Its name, or `owner`.
  package var description: String { proof == .owner ? "owner" : name }
}
