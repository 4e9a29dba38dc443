internal import Synchronization

/// The token that a server wants of TCP clients now: a fixed one, or what a file holds at the time.
/// From any thread.
public final class TokenSource: Sendable {
  private enum Origin {
    case fixed(Token)
    case file(TokenFile)
  }

  private let origin: Origin
  private let last = Mutex<(version: SecretFile.Version, token: Token)?>(nil)

  /// Always `token`.
  public init(_ token: Token) { origin = .fixed(token) }

  /// What `file` holds at the time, so that a token that is replaced counts for new connections.
  public init(_ file: TokenFile) { origin = .file(file) }

  /// The token of a connection that begins now. It looks at the file each time and reads it if it was
  /// changed.
  ///
  /// - Throws: `SecretFile.Failure` if the file can't be read any more. Then nobody gets in by the
  ///   old token: its owner may have removed it for that.
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
