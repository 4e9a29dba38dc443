internal import Glibc
internal import TelpherJSON
package import TelpherKeys
internal import TelpherWire

/// The proof by ssh keys: signatures over a value that only both ends of one TLS connection know
/// (docs/PROTOCOL.md, "Who may connect").
package enum KeyProof {
  /// What the signatures are for. A signature for another purpose, such as of a file or a commit, is
  /// none for this one.
  package static let namespace = "telpher-auth-v1"
  /// The digest of the signatures.
  package static let digest = KeyDigest.sha512
  /// The most signatures in one HELLO. The server verifies all of them, at about 0.1 ms each, and
  /// for P-384 and P-521 about 1 ms.
  package static let maxSignatures = 4

  /// The signature as HELLO carries it.
  package static func text(_ signature: SSHSignature) -> String { Base64.encode(signature.blob) }

  /// The signature in a HELLO; nil if the text is not one of this digest.
  static func signature(_ text: String) -> SSHSignature? {
    guard let blob = Base64.decode(text), let signature = try? SSHSignature(blob: blob),
      signature.digest == digest
    else { return nil }
    return signature
  }
}

/// Decides about the keys that one client proves to have.
///
/// Whatever the file of keys lists, a client that is refused gets the same answer after the same work:
/// each of its signatures is verified, also if its key is not listed. So it can't find out which keys
/// are. The reasons are for the server's log.
package final class KeyCheck: SignatureVerifier {
  private let keys: AuthorizedKeysFile?
  private let users: UserKeyFiles?
  private let binding: [UInt8]
  private let source: String
  private let now: () -> Int64
  /// The name of this process's user, whose file `keys` is.
  private let ownName: String?

  /// The line that has accepted the client; nil before.
  package private(set) var entry: AuthorizedKeys.Entry?
  /// The user in whose file this line is; nil if it is the server's own file.
  package private(set) var account: Account?
  /// The fingerprints of the keys of its signatures, also of wrong ones.
  package private(set) var tried: [String] = []
  /// Why the client was refused, for the log.
  package private(set) var reasons: [String] = []

  /// A check for one connection.
  ///
  /// - Parameters:
  ///   - keys: the server's own file.
  ///   - users: the files of the users of the system.
  ///   - binding: the value of the connection that the signatures must cover.
  ///   - source: the numeric address of the client.
  ///   - ownName: the name of this process's user.
  ///   - now: returns the time in seconds since 1970.
  package init(
    _ keys: AuthorizedKeysFile?, users: UserKeyFiles? = nil, binding: [UInt8], source: String,
    ownName: String? = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) },
    now: @escaping () -> Int64 = { Int64(time(nil)) }
  ) {
    self.keys = keys
    self.users = users
    self.binding = binding
    self.source = source
    self.now = now
    self.ownName = ownName
  }

  /// The client that was accepted; nil before.
  package var identity: Identity? { entry.map { .key($0.key.fingerprint) } }

  package func accepts(_ signatures: [String], of user: String?) -> Bool {
    guard (1...KeyProof.maxSignatures).contains(signatures.count) else {
      reasons.append("\(signatures.count) signatures instead of 1 to \(KeyProof.maxSignatures)")
      return false
    }
    var listed = AuthorizedKeys()
    do throws(KeyError) {
      if let keys { listed = try keys.current() }
    } catch {
      reasons.append(error.description)
    }
    // All files are read, whichever user is named, so the time says nothing about them.
    let ofUsers = users?.current() ?? []
    if let user {
      if user != ownName { listed = AuthorizedKeys() }
      reasons.append("the client names the user \(user)")
    }
    let asked = ofUsers.filter { user == nil || $0.account.name == user }
    let now = now()
    for text in signatures {
      guard let signature = KeyProof.signature(text) else {
        reasons.append("a signature can't be read")
        continue
      }
      let fingerprint = signature.key.fingerprint
      tried.append(fingerprint)
      switch signature.verify(binding, namespace: KeyProof.namespace) {
      case .invalid: reasons.append("\(fingerprint): the signature is not one of this connection")
      case .valid(let confirmation):
        switch listed.verdict(on: signature.key, confirmation, from: source, at: now) {
        case .accepted(let line): accept(line, nil)
        case .refused(let reason):
          do throws(Refusal) {
            let (line, account) = try Self.find(signature.key, in: asked, orElse: reason) { keys in
              keys.verdict(on: signature.key, confirmation, from: source, at: now)
            }
            accept(line, account)
          } catch {
            reasons.append("\(fingerprint): \(error.reason)")
          }
        }
      }
    }
    return entry != nil
  }

  private struct Refusal: Error {
    let reason: String
  }

  /// The line of the only user whose file has the key. If two files have it, whatever their lines say, one
  /// user could have added the key of the other: the client must name the user then.
  ///
  /// - Parameter reason: why the key is refused if no file has it.
  private static func find(
    _ key: SSHPublicKey, in users: [UserKeyFiles.UserKeys], orElse reason: String,
    _ verdict: (AuthorizedKeys) -> AuthorizedKeys.Verdict
  ) throws(Refusal) -> (AuthorizedKeys.Entry, Account) {
    let listing = users.filter { $0.keys.lists(key) }
    guard let user = listing.first else { throw Refusal(reason: reason) }
    guard listing.count == 1 else {
      throw Refusal(reason: "it is in the files of several users, and the client names none")
    }
    if let fault = user.fault {
      throw Refusal(reason: "the user \(user.account.name) may not log in: \(fault)")
    }
    switch verdict(user.keys) {
    case .accepted(let line): return (line, user.account)
    case .refused(let reason): throw Refusal(reason: "\(user.account.name): \(reason)")
    }
  }

  private func accept(_ line: AuthorizedKeys.Entry, _ account: Account?) {
    guard entry == nil else { return }
    (entry, self.account) = (line, account)
  }
}
