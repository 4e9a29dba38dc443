/// The file that holds a server's token as 64 hexadecimal digits. The server creates it at its
/// first start; clients of the same user read it.
public struct TokenFile: Sendable {
  /// The underlying secret file.
  public let file: SecretFile

  /// The token file at `path`. The file need not exist.
  public init(_ path: String) { file = SecretFile(path) }

  /// The default path: `$XDG_CONFIG_HOME/telpher/token`, or else `~/.config/telpher/token`.
  public static func defaultPath(environment: [String: String]) -> String {
    SecretFile.defaultPath(of: "token", environment: environment)
  }

  /// Reads the token.
  ///
  /// - Throws: `SecretFile.Failure` if the file can't be read or does not hold a token.
  public func read() throws(SecretFile.Failure) -> Token { try token(in: try file.read()) }

  /// Reads the token. Creates the file with a new random token if it does not exist.
  ///
  /// - Throws: as `read()`, and also if the file can't be created.
  public func readOrMake() throws(SecretFile.Failure) -> Token {
    try token(in: try file.read(orStore: { Self.text(.random()) }))
  }

  private func token(in bytes: [UInt8]) throws(SecretFile.Failure) -> Token {
    let text = String(decoding: bytes, as: UTF8.self)
    let digits = text.hasSuffix("\n") ? String(text.dropLast()) : text
    guard let token = Token(hexadecimal: digits) else {
      throw SecretFile.Failure(
        "the token file \(file.path) does not hold 64 hexadecimal digits: name another file with --token-file, or replace it with 'telpher token rotate'"
      )
    }
    return token
  }

  /// Replaces the token with a new random one. Open connections stay open; new ones need the new
  /// token.
  ///
  /// - Throws: `SecretFile.Failure`; the old token then stays valid.
  public func rotate() throws(SecretFile.Failure) { try file.replace(Self.text(.random())) }

  private static func text(_ token: Token) -> [UInt8] { Array("\(token.hexadecimal)\n".utf8) }
}
