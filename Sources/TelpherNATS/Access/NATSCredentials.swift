package import TelpherAccess
internal import TelpherJSON
internal import TelpherKeys
internal import TelpherText

/// What a client shows to a server.
package enum NATSCredentials: Sendable {
  /// Nothing.
  case none
  /// A user's name and password.
  case password(user: String, password: String)
  /// The server's token.
  case token(String)
  /// The key of a user, which signs the server's nonce.
  case key(NKey)
  /// A user's JWT with its key.
  case signed(jwt: String, NKey)

  /// Reads credentials from a file that only its owner may read. It holds one of:
  ///
  /// - the file that nsc writes, with a JWT and a seed between lines of dashes
  /// - `nkey: SEED`
  /// - `token: TOKEN`
  /// - `user: NAME` and then `password: PASSWORD`
  ///
  /// Empty lines and lines that begin with `#` are ignored.
  ///
  /// - Throws: `NATSError` (`badAddress`), without any secret in its message.
  package init(contentsOf file: SecretFile) throws(NATSError) {
    let bytes: [UInt8]
    do throws(SecretFile.Failure) {
      bytes = try file.read()
    } catch {
      throw NATSError(.badAddress, "\(error)")
    }
    guard let credentials = Self(parsing: String(decoding: bytes, as: UTF8.self)) else {
      throw NATSError(
        .badAddress,
        "the file \(ShownText.escaped(file.path)) holds no credentials for NATS: write 'nkey: SEED', 'token: TOKEN', 'user: NAME' with 'password: PASSWORD', or what nsc writes"
      )
    }
    self = credentials
  }

  init?(parsing text: String) {
    let lines = text.split(whereSeparator: \.isNewline)
      .map { $0.trimmed }.filter { !$0.isEmpty && !$0.hasPrefix("#") }
    if let jwt = Self.block("NATS USER JWT", lines), let seed = Self.block("USER NKEY SEED", lines)
    {
      guard let key = try? NKey(seed: seed) else { return nil }
      self = .signed(jwt: jwt, key)
      return
    }
    var values: [String: String] = [:]
    for line in lines {
      guard let colon = line.firstIndex(of: ":") else { return nil }
      let name = String(line[..<colon])
      guard values[name] == nil else { return nil }
      values[name] = String(line[line.index(after: colon)...].trimmed)
    }
    switch Set(values.keys) {
    case ["nkey"]:
      guard let key = values["nkey"].flatMap({ try? NKey(seed: $0) }) else { return nil }
      self = .key(key)
    case ["token"]: self = .token(values["token"] ?? "")
    case ["user", "password"]:
      self = .password(user: values["user"] ?? "", password: values["password"] ?? "")
    default: return nil
    }
  }

  /// The line after `-----BEGIN NAME-----`.
  private static func block(_ name: String, _ lines: [Substring]) -> String? {
    guard let begin = lines.firstIndex(where: { $0.hasPrefix("-----BEGIN \(name)-") }),
      begin + 1 < lines.count
    else { return nil }
    return String(lines[begin + 1])
  }

  /// Puts the credentials into what the client sends.
  ///
  /// - Throws: `NATSError` (`notAuthorized`) if the key has nothing to sign.
  func fill(_ connect: inout NATSConnect, nonce: String?) throws(NATSError) {
    switch self {
    case .none: break
    case .password(let user, let password): (connect.user, connect.pass) = (user, password)
    case .token(let token): connect.authToken = token
    case .key(let key):
      connect.nkey = key.publicKey
      connect.sig = try Self.signature(key, nonce)
    case .signed(let jwt, let key):
      connect.jwt = jwt
      connect.sig = try Self.signature(key, nonce)
    }
  }

  private static func signature(_ key: NKey, _ nonce: String?) throws(NATSError) -> String {
    guard let nonce else {
      throw NATSError(.notAuthorized, "the NATS server asks for no nkey, but one is given")
    }
    // base64url without padding, as the server reads it.
    let text = Base64.encode(key.key.sign(Array(nonce.utf8)))
    let safe: [UInt8] = text.utf8.compactMap { byte in
      switch byte {
      case UInt8(ascii: "+"): UInt8(ascii: "-")
      case UInt8(ascii: "/"): UInt8(ascii: "_")
      case UInt8(ascii: "="): nil
      default: byte
      }
    }
    return String(decoding: safe, as: UTF8.self)
  }
}

// Credentials that are printed by mistake, in a log or an error, reveal nothing.
extension NATSCredentials: CustomStringConvertible, CustomReflectable {
  /// Nothing of the secrets.
  package var description: String { "credentials for NATS" }
  /// Nothing of the secrets.
  package var customMirror: Mirror { Mirror(self, children: []) }
}

extension Substring {
  /// The text without spaces and tabs at both ends.
  fileprivate var trimmed: Substring {
    var text = drop { $0 == " " || $0 == "\t" }
    while let last = text.last, last == " " || last == "\t" { text.removeLast() }
    return text
  }
}
