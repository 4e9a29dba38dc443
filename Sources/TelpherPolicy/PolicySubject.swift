package import TelpherText

/// The client that makes a request, as a policy sees it.
package enum PolicySubject: Sendable, Hashable {
  /// The server's own user, root, or a holder of the token.
  case owner
  /// The holder of an ssh key.
  ///
  /// - Parameters:
  ///   - fingerprint: as ssh prints it: `SHA256:...`.
  ///   - account: the user in whose authorized_keys the server has found the key; nil if it was the
  ///     server's own file.
  case key(fingerprint: String, account: String?)
  /// The holder of a certificate with this URI or DNS name.
  case certificate(String)
  /// Another user of the server's machine, on a Unix socket.
  ///
  /// - Parameters:
  ///   - uid: the user's id.
  ///   - name: the user's name; nil if it is not known.
  case user(uid: UInt32, name: String?)

  /// The user in whose authorized_keys the key is.
  package var account: String? {
    if case .key(_, let account) = self { account } else { nil }
  }

  /// Whether an identity in a policy, which names no account, is this one.
  func isNamed(by identity: PolicyIdentity) -> Bool {
    switch (identity, self) {
    case (.any, _), (.owner, .owner): true
    case (.key(let named), .key(let fingerprint, _)): named == fingerprint
    case (.certificate(let named), .certificate(let name)): named == ExactText(name)
    case (.uid(let named), .user(let uid, _)): named == uid
    case (.user(let named), .user(_, let name?)): named == ExactText(name)
    default: false
    }
  }
}

/// An identity as a policy writes it.
///
///     owner                      the server's own user, root, and holders of the token
///     SHA256:47DEQpj8HBSa...     the holder of an ssh key, by its fingerprint
///     cert:web1.example          the holder of a certificate, by its URI or DNS name
///     user:alice                 this user of the machine, on a Unix socket
///     uid:1000                   the same by the user's id
///     *                          every client
package enum PolicyIdentity: Sendable, Hashable {
  /// Every client.
  case any
  /// The owner.
  case owner
  /// The fingerprint of a key.
  case key(String)
  /// A name in a certificate.
  case certificate(ExactText)
  /// The name of a user of the machine.
  case user(ExactText)
  /// The id of a user of the machine.
  case uid(UInt32)

  /// Reads an identity.
  ///
  /// - Returns: nil if the text has none of the forms.
  package init?(_ text: String) {
    if text == "*" {
      self = .any
    } else if text == "owner" {
      self = .owner
    } else if Self.isFingerprint(text) {
      self = .key(text)
    } else if text.hasPrefix("cert:"), text.utf8.count > 5 {
      self = .certificate(ExactText(String(text.dropFirst(5))))
    } else if text.hasPrefix("user:"), text.utf8.count > 5 {
      self = .user(ExactText(String(text.dropFirst(5))))
    } else if text.hasPrefix("uid:"), let uid = Self.uid(text.dropFirst(4)) {
      self = .uid(uid)
    } else {
      return nil
    }
  }

  /// The forms, for messages.
  package static let forms = "owner, SHA256:FINGERPRINT, cert:NAME, user:NAME, uid:NUMBER or *"

  /// A number of decimal digits, without a sign.
  private static func uid(_ text: Substring) -> UInt32? {
    guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return nil
    }
    return UInt32(text)
  }

  /// Whether the text is a fingerprint as ssh prints it: 32 bytes in base64 without padding.
  private static func isFingerprint(_ text: String) -> Bool {
    guard text.hasPrefix("SHA256:") else { return false }
    let digest = text.utf8.dropFirst(7)
    return digest.count == 43
      && digest.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
          true
        default: false
        }
      }
  }
}
