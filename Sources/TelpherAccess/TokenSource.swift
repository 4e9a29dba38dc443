internal import Synchronization

/// The token that a server currently requires of TCP clients: a fixed one, or the contents of a
/// file. Any thread may use it.
public final class TokenSource: Sendable {
  private enum Origin {
    case fixed(Token)
    case file(TokenFile)
  }

  private let origin: Origin
  private let last = Mutex<(version: SecretFile.Version, token: Token)?>(nil)

  /// A source that always returns `token`.
  public init(_ token: Token) { origin = .fixed(token) }

  /// A source that returns the current token of `file`. A replaced token applies to new
  /// connections.
  public init(_ file: TokenFile) { origin = .file(file) }

  /// The token for a connection that begins now. Checks the file on each call and reads it if it
  /// has changed.
  ///
  /// - Throws: `SecretFile.Failure` if the file can't be read any more. The old token is then not
  ///   accepted: its owner may have removed the file to revoke it.
  public func current() throws(SecretFile.Failure) -> Token {
    switch origin {
    case .fixed(let token): return token
    case .file(let file):
      let version = try file.file.version()
      if let last = last.withLock({ $0 }), last.version == version { return last.token }
      let token = try file.read()
      last.withLock { $0 = (version, token) }
      return token
    }
  }
}
