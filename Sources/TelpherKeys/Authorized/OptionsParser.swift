internal import Glibc
internal import TelpherText

/// Reads the options before a key in an authorized_keys file. An option that Telpher does not know,
/// or can't enforce exactly, makes the line invalid: without the restriction, the key could do more
/// than its author meant.
///
///     option[,option...]     option: flag, or name="value" with \" for a quote in the value
struct OptionsParser {
  private var rest: Substring.UTF8View
  private var options = KeyOptions()
  /// Names of options that may come once.
  private var seen: Set<String> = []

  /// Reads the options at the beginning of `line`.
  ///
  /// - Returns: the options, and what follows them.
  /// - Throws: `KeyError` with what is wrong.
  static func parse(_ line: Substring) throws(KeyError) -> (KeyOptions, rest: Substring) {
    var parser = OptionsParser(rest: line.utf8)
    while true {
      try parser.option()
      guard let next = parser.rest.first else {
        throw KeyError("there is no key after the options")
      }
      parser.rest = parser.rest.dropFirst()
      if next == UInt8(ascii: " ") || next == UInt8(ascii: "\t") { break }
      guard next == UInt8(ascii: ",") else {
        throw KeyError("there must be a comma between two options")
      }
    }
    return (parser.options, Substring(parser.rest))
  }

  private init(rest: Substring.UTF8View) { self.rest = rest }

  private mutating func option() throws(KeyError) {
    let word = rest.prefix { byte in
      byte != UInt8(ascii: ",") && byte != UInt8(ascii: " ") && byte != UInt8(ascii: "\t")
        && byte != UInt8(ascii: "=")
    }
    rest = rest[word.endIndex...]
    let name = String(decoding: NamePattern.lowercased(Substring(word)), as: UTF8.self)
    guard rest.first == UInt8(ascii: "=") else { return try flag(name) }
    rest = rest.dropFirst()
    try take(name, try value(of: name))
  }

  private mutating func flag(_ name: String) throws(KeyError) {
    switch name {
    case "restrict":
      options.allowsTerminal = false
      options.allowsForwarding = false
    case "pty": options.allowsTerminal = true
    case "no-pty": options.allowsTerminal = false
    case "port-forwarding": options.allowsForwarding = true
    case "no-port-forwarding": options.allowsForwarding = false
    case "touch-required": options.requiresTouch = true
    case "no-touch-required": options.requiresTouch = false
    case "verify-required": options.requiresVerification = true
    case "no-verify-required": options.requiresVerification = false
    // These are about what Telpher never does: it forwards no agent and no X11, and reads no rc.
    case "agent-forwarding", "no-agent-forwarding", "x11-forwarding", "no-x11-forwarding",
      "user-rc", "no-user-rc":
      break
    case "cert-authority":
      throw KeyError("'cert-authority' is not supported: ssh certificates prove nothing here")
    default: throw KeyError("the option '\(Self.shown(name))' is not known")
    }
  }

  private mutating func take(_ name: String, _ value: String) throws(KeyError) {
    switch name {
    case "from":
      try once(name)
      options.sources = try SourceList(value)
    case "command":
      try once(name)
      guard !value.utf8.contains(0), !value.contains("\u{FFFD}") else {
        throw KeyError("'command' is not UTF-8")
      }
      options.command = value
    case "expiry-time":
      let time = try ExpiryTime.seconds(value)
      options.expiresAt = min(options.expiresAt ?? time, time)
    case "permitopen": options.opens = (options.opens ?? []) + [try Self.rule(value, name)]
    case "permitlisten":
      // A port alone stands for any host.
      let text = value.contains(":") ? value : "*:\(value)"
      options.listens = (options.listens ?? []) + [try Self.rule(text, name)]
    // sshd ignores it unless PermitUserEnvironment is set, which it is not by default.
    case "environment":
      guard value.contains("="), value.first != "=" else {
        throw KeyError("'environment' has no name and value")
      }
    // Telpher has no tunnel devices.
    case "tunnel": break
    case "principals":
      throw KeyError("'principals' is not supported: ssh certificates prove nothing here")
    default: throw KeyError("the option '\(Self.shown(name))' is not known")
    }
  }

  private mutating func once(_ name: String) throws(KeyError) {
    guard seen.insert(name).inserted else { throw KeyError("the option '\(name)' is given twice") }
  }

  /// The value after `name=`: text in quotes.
  private mutating func value(of name: String) throws(KeyError) -> String {
    guard rest.first == UInt8(ascii: "\"") else {
      throw KeyError("the value of '\(Self.shown(name))' is not in quotes")
    }
    rest = rest.dropFirst()
    var value: [UInt8] = []
    while let byte = rest.first {
      rest = rest.dropFirst()
      if byte == UInt8(ascii: "\"") { return String(decoding: value, as: UTF8.self) }
      if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "\"") {
        rest = rest.dropFirst()
        value.append(UInt8(ascii: "\""))
      } else {
        value.append(byte)
      }
    }
    throw KeyError("the value of '\(Self.shown(name))' has no closing quote")
  }

  private static func rule(_ text: String, _ name: String) throws(KeyError)
    -> KeyOptions.ForwardRule
  {
    func malformed() -> KeyError {
      KeyError("'\(name)' has the value '\(shown(text))', not HOST:PORT")
    }
    let host: Substring
    let port: Substring
    if text.first == "[" {
      guard let end = text.firstIndex(of: "]"), text[end...].dropFirst().first == ":" else {
        throw malformed()
      }
      (host, port) = (text[..<end].dropFirst(), text[end...].dropFirst(2))
    } else {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2 else { throw malformed() }
      (host, port) = (parts[0], parts[1])
    }
    guard !host.isEmpty else { throw malformed() }
    if port == "*" { return KeyOptions.ForwardRule(host: String(host), port: nil) }
    guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(port),
      number > 0
    else { throw malformed() }
    return KeyOptions.ForwardRule(host: String(host), port: number)
  }

  private static func shown(_ text: String) -> String { ShownText.escaped(String(text.prefix(24))) }
}

/// The value of `expiry-time`: `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, in the local time zone or,
/// with `Z` at its end, in UTC.
enum ExpiryTime {
  /// The time in seconds since 1970.
  ///
  /// - Throws: `KeyError` if the text is not such a time, or if there is no such day.
  static func seconds(_ text: String) throws(KeyError) -> Int64 {
    func malformed() -> KeyError {
      KeyError(
        "'expiry-time' has the value '\(ShownText.escaped(String(text.prefix(24))))', not a time")
    }
    let isUTC = text.last == "Z" || text.last == "z"
    let digits = (isUTC ? text.dropLast() : text[...]).utf8.map { Int32($0) - 0x30 }
    guard [8, 12, 14].contains(digits.count), digits.allSatisfy({ (0...9).contains($0) }) else {
      throw malformed()
    }
    func number(_ range: Range<Int>) -> Int32 {
      range.upperBound <= digits.count ? digits[range].reduce(0) { $0 * 10 + $1 } : 0
    }
    var time = tm()
    time.tm_year = number(0..<4) - 1_900
    time.tm_mon = number(4..<6) - 1
    time.tm_mday = number(6..<8)
    time.tm_hour = number(8..<10)
    time.tm_min = number(10..<12)
    time.tm_sec = number(12..<14)
    time.tm_isdst = -1
    let wanted = time
    let seconds = isUTC ? timegm(&time) : mktime(&time)
    // A day or an hour that does not exist becomes another one.
    guard seconds > 0, time.tm_mon == wanted.tm_mon, time.tm_mday == wanted.tm_mday,
      time.tm_year == wanted.tm_year, wanted.tm_hour < 24, wanted.tm_min < 60, wanted.tm_sec < 60
    else { throw malformed() }
    return Int64(seconds)
  }
}
