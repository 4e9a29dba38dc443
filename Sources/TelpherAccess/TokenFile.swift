/// The file with a server's token: 64 hexadecimal digits. The server makes it at its first start; a
/// client of the same user reads it.
public struct TokenFile: Sendable {
  /// The file.
  public let file: SecretFile

  /// The file at `path`, which need not be there.
  public init(_ path: String) { file = SecretFile(path) }

  /// Where the token is unless it is said otherwise: `$XDG_CONFIG_HOME/telpher/token`, else
  /// `~/.config/telpher/token`.
  public static func defaultPath(environment: [String: String]) -> String {
    let home = environment["HOME"] ?? "/"
    let config = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 }
    return "\(config ?? "\(home)/.config")/telpher/token"
  }

  /// The token.
  ///
  /// - Throws: `SecretFile.Failure` if it can't be read, or the file holds something else.
  public func read() throws(SecretFile.Failure) -> Token {
    let text = String(decoding: try file.read(), as: UTF8.self)
    let digits = text.hasSuffix("\n") ? String(text.dropLast()) : text
    guard let token = Token(hexadecimal: digits) else {
      throw SecretFile.Failure("the token file \(file.path) does not hold 64 hexadecimal digits")
    }
    return token
  }

  /// The token, of a file that is made with a fresh one if it is not there.
  ///
  /// - Throws: as `read()`; also if the file can't be made.
  public func readOrMake() throws(SecretFile.Failure) -> Token {
    if !file.exists { _ = try file.create(Self.text(.random())) }
    // Of two servers that start at once, one has made the token for both.
    return try read()
  }

  /// Puts a fresh token in the place of the one that is there, if any. Connections that are open stay
  /// so; new ones need the new token.
  ///
  /// - Throws: `SecretFile.Failure`; then the token that was there is still valid.
  public func rotate() throws(SecretFile.Failure) { try file.replace(Self.text(.random())) }

  private static func text(_ token: Token) -> [UInt8] { Array("\(token.hexadecimal)\n".utf8) }
}
