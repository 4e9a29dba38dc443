/// Recognizes clients of other protocols by the first bytes of a connection.
///
/// A web page can send requests to any port of this machine, and a server that runs what it reads
/// would run such a request. A request must be recognized before any part of it runs, even if it
/// arrives in several reads. So this type judges all bytes so far together, until the result is
/// certain.
struct FirstBytes {
  /// What the first bytes are.
  enum Verdict: Equatable {
    /// They may be the beginning of another protocol; more bytes are needed.
    case unclear
    /// They come from a client of the dialect.
    case client
    /// They belong to another protocol, of this name.
    case foreign(String)
  }

  /// The result for all bytes so far. `client` and `foreign` are final.
  private(set) var verdict = Verdict.unclear
  private var bytes: [UInt8] = []

  /// More bytes than the name of any method has. A longer word is not a method.
  private static let longestMethod = 32

  /// Adds `more` to the bytes so far and judges them.
  mutating func receive(_ more: some Sequence<UInt8>) -> Verdict {
    guard verdict == .unclear else { return verdict }
    // Blanks and empty lines may precede a request (RFC 9112, 2.2).
    bytes += bytes.isEmpty ? Array(more.drop { Self.isBlank($0) }) : Array(more)
    verdict = Self.judge(bytes)
    if verdict != .unclear { bytes = [] }
    return verdict
  }

  private static func judge(_ bytes: [UInt8]) -> Verdict {
    guard let first = bytes.first else { return .unclear }
    if let name = binaryProtocol(bytes, first) { return .foreign(name) }
    if isBeginning(of: Array("HTTP/".utf8), bytes) {
      return bytes.count < 5 ? .unclear : .foreign("HTTP")
    }
    let word = bytes.prefix { isMethodByte($0) }
    switch Method(word) {
    case nil: break
    case .beginning where word.count == bytes.count: return .unclear
    case .beginning: break
    case .some(let method):
      guard word.count < bytes.count else { return .unclear }
      guard isSpace(bytes[word.count]) else { break }
      if method == .known { return .foreign("HTTP") }
      guard let target = bytes[word.count...].first(where: { !isBlank($0) }) else {
        return .unclear
      }
      if target == UInt8(ascii: "/") || target == UInt8(ascii: "*") { return .foreign("HTTP") }
    }
    return isRequestLine(bytes) ? .foreign("HTTP") : .client
  }

  /// Whether `bytes` and `word` are equal up to the end of the shorter one.
  private static func isBeginning(of word: [UInt8], _ bytes: [UInt8]) -> Bool {
    zip(word, bytes).allSatisfy { $0 == $1 }
  }

  /// What the first word may be.
  private enum Method {
    /// A method, whatever follows it.
    case known
    /// A method if a path follows: any word in upper case, or a method in lower case.
    case withPath
    /// The beginning of a method in lower case.
    case beginning

    init?(_ word: some Collection<UInt8>) {
      guard !word.isEmpty, word.count < longestMethod else { return nil }
      let text = String(decoding: word, as: UTF8.self)
      if methods.contains(text) {
        self = .known
      } else if text == text.uppercased() {
        self = .withPath
      } else if lowerCaseMethods.contains(text.lowercased()) {
        self = .withPath
      } else if lowerCaseMethods.contains(where: { $0.hasPrefix(text.lowercased()) }) {
        self = .beginning
      } else {
        return nil
      }
    }
  }

  /// Whether the first line of `bytes` has the form of a request in HTTP, RTSP or SIP: a word, a
  /// target, and a protocol with its version. The word may be any.
  static func isRequestLine(_ bytes: [UInt8]) -> Bool {
    let line = bytes.drop { isBlank($0) }.prefix { $0 != UInt8(ascii: "\n") }
    let words = line.split { isBlank($0) }
    guard words.count == 3 else { return false }
    let target = words[1]
    guard
      target.first == UInt8(ascii: "/") || target.first == UInt8(ascii: "*")
        || target.contains(UInt8(ascii: ":"))
    else { return false }
    let version = words[2].split(
      separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
    return version.count == 2 && !version[0].isEmpty && version[0].allSatisfy(isUpperCase)
      && !version[1].isEmpty && version[1].allSatisfy { isDigit($0) || $0 == UInt8(ascii: ".") }
  }

  /// The name of the binary protocol that `bytes` begin, or nil. No command begins with a control
  /// byte. TLS and DTLS begin with 0x16; STUN, TURN and most others with a byte below 9.
  private static func binaryProtocol(_ bytes: [UInt8], _ first: UInt8) -> String? {
    let escape: UInt8 = 0x1B
    if first == 0x16 { return "TLS" }
    if first < 0x20, first != escape { return "a binary protocol" }
    // A ClientHello in the form of SSL 2: a length with the high bit set, then the type 1.
    if first & 0x80 != 0, bytes.count > 2, bytes[2] == 1 { return "TLS" }
    return nil
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n")].contains(byte)
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }

  private static func isUpperCase(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  /// Whether the name of a method may contain the byte.
  private static func isMethodByte(_ byte: UInt8) -> Bool {
    isUpperCase(byte & ~0x20) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
  }

  /// Methods that are also recognized in lower case before a `/` or `*`: those that are not names
  /// of commands.
  private static let lowerCaseMethods: Set<String> = [
    "connect", "delete", "get", "options", "post", "propfind", "put",
  ]

  /// Words that begin a request, whatever follows them: the methods of HTTP (the registry of RFC
  /// 9110, and others in use), the preface of HTTP/2, the methods of RTSP and SIP, the first words
  /// of other line protocols that programs can be made to speak to any port (FTP, SMTP, IRC, DICT),
  /// and the line that proxies send first. Any other word in upper case is a method only before a
  /// `/` or `*`.
  private static let methods: Set<String> = [
    "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET",
    "HEAD", "LABEL", "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL",
    "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "NOTIFY", "OPTIONS", "ORDERPATCH", "PATCH", "POST",
    "PRI", "PROPFIND", "PROPPATCH", "PURGE", "PUT", "QUERY", "REBIND", "REPORT", "SEARCH", "SOURCE",
    "SUBSCRIBE", "TRACE", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UNSUBSCRIBE", "UPDATE",
    "UPDATEREDIRECTREF", "VERSION-CONTROL",
    "ANNOUNCE", "DESCRIBE", "GET_PARAMETER", "PAUSE", "PLAY", "RECORD", "REDIRECT", "SETUP",
    "SET_PARAMETER", "TEARDOWN",
    "ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "PRACK", "PUBLISH", "REFER", "REGISTER",
    "CLIENT", "EHLO", "HELO", "NICK", "PASS", "PROXY", "USER",
  ]
}
