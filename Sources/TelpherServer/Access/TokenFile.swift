internal import Glibc

/// The file with a server's token: 64 hexadecimal digits for 32 random bytes, readable by its owner
/// alone. The server makes it at its first start; a client of the same user reads it.
public enum TokenFile {
  /// The bytes of a token.
  public static let tokenLength = 32

  /// Why a token can't be had; the message names the file.
  public struct Failure: Error, Sendable, CustomStringConvertible {
    /// For a person.
    public let description: String
  }

  /// Where the token is unless someone says otherwise: `$XDG_CONFIG_HOME/telpher/token`, else
  /// `~/.config/telpher/token`.
  public static func defaultPath(environment: [String: String]) -> String {
    let home = environment["HOME"] ?? "/"
    let config = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 }
    return "\(config ?? "\(home)/.config")/telpher/token"
  }

  /// The token in the file at `path`.
  ///
  /// - Throws: `Failure` where there is none, or others could read it.
  public static func read(_ path: String) throws(Failure) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw failure("cannot open the token file \(path)") }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure("cannot look at the token file \(path)") }
    guard status.st_mode & 0o077 == 0 else {
      throw Failure(
        description: "the token file \(path) can be read by others: chmod 600 it, or remove it")
    }
    var bytes = [UInt8](repeating: 0, count: tokenLength * 2 + 2)
    let count = Glibc.read(file, &bytes, bytes.count)
    let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    let digits = text.hasSuffix("\n") ? String(text.dropLast()) : text
    guard let token = Access.bytes(hexadecimal: digits), token.count == tokenLength else {
      throw Failure(description: "the token file \(path) does not hold 64 hexadecimal digits")
    }
    return token
  }

  /// The token in the file at `path`, which is made with a fresh one if it isn't there.
  ///
  /// - Throws: `Failure`.
  public static func readOrMake(_ path: String) throws(Failure) -> [UInt8] {
    if access(path, F_OK) == 0 { return try read(path) }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    for end in parts.indices.dropLast() where end > 0 {
      let folder = parts[...end].joined(separator: "/")
      if mkdir(folder, 0o700) != 0, errno != EEXIST {
        throw failure("cannot make the folder \(folder)")
      }
    }
    // The system's generator is getrandom(2), fit for secrets.
    var generator = SystemRandomNumberGenerator()
    let token = (0..<tokenLength).map { _ in UInt8.random(in: 0...255, using: &generator) }
    // Written whole under another name first: a server that starts beside this one never sees half.
    let temporary = "\(path).\(getpid())"
    let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw failure("cannot make the token file \(temporary)") }
    defer { unlink(temporary) }
    let text = Array((hexadecimal(token) + "\n").utf8)
    let written = write(file, text, text.count)
    let isSynced = fsync(file) == 0
    close(file)
    guard written == text.count, isSynced else { throw failure("cannot write \(temporary)") }
    // A link doesn't replace: of two servers that start at once, one makes the token for both.
    guard link(temporary, path) == 0 || errno == EEXIST else {
      throw failure("cannot make the token file \(path)")
    }
    return try read(path)
  }

  /// A token as it stands in its file and in HELLO.
  public static func hexadecimal(_ token: [UInt8]) -> String {
    token.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func failure(_ what: String) -> Failure {
    Failure(description: "\(what): \(String(cString: strerror(errno)))")
  }
}
