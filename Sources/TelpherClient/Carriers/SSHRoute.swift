/// A host that the user's ssh reaches, with its keys and its configuration.
struct SSHRoute: CarrierRoute {
  let user: String?
  let host: String
  let port: UInt16?
  /// The hosts to jump over, as for `ssh -J`; nil if ssh's configuration decides.
  let jump: String?
  /// The file with the private key, as for `ssh -i`; nil if ssh's configuration decides.
  let identity: String?
  /// Whether ssh asks nothing and fails instead (BatchMode).
  var asksNothing = false

  let program = "ssh"

  /// - Throws: `ClientError` (`badAddress`) if ssh or a shell could misread one of them.
  init(
    user: String?, host: String, port: UInt16?, jump: String?, identity: String?
  ) throws(ClientError) {
    for (what, text) in [("host", host), ("user", user), ("jump", jump)] {
      guard let text else { continue }
      // ssh puts these into the command of a ProxyCommand, which a shell reads; ssh itself refuses
      // them since version 9.6.
      guard !text.isEmpty, text.utf8.first != UInt8(ascii: "-"),
        text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F && !Self.forbidden.contains($0) })
      else {
        throw ClientError(
          .badAddress,
          "'\(text)' is not a \(what) for ssh: it must not be empty, begin with '-', or have spaces or characters of the shell"
        )
      }
    }
    guard identity != "" else { throw ClientError(.badAddress, "the identity has no file name") }
    (self.user, self.host, self.port) = (user, host, port)
    (self.jump, self.identity) = (jump, identity)
  }

  private static let forbidden = Set("'`\"$\\;&<>|(){}*?!#".utf8)

  /// Reads `[USER@]HOST[:PORT]`, with `?jump=HOST&identity=FILE` after it if the configuration
  /// gives them. Nil if the text has another form.
  init?(parsing text: Substring) throws(ClientError) {
    var rest = text.prefix { $0 != "?" }
    guard let options = Self.options(text.dropFirst(rest.count).dropFirst()) else { return nil }
    while rest.hasSuffix("/") { rest.removeLast() }
    var user: String?
    if let at = rest.lastIndex(of: "@") {
      user = String(rest[..<at])
      rest = rest[rest.index(after: at)...]
    }
    var port: UInt16?
    // An IPv6 address is in brackets; the port follows the last colon outside of them.
    if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
      guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else {
        throw ClientError(.badAddress, "'ssh://\(text)': the port is a number from 1 to 65535")
      }
      port = number
      rest = rest[..<colon]
    }
    let host = String(rest.drop { $0 == "[" }.prefix { $0 != "]" })
    guard !host.isEmpty, user != "" else { return nil }
    try self.init(
      user: user, host: host, port: port, jump: options["jump"], identity: options["identity"])
  }

  private static func options(_ text: Substring) -> [String: String]? {
    var options: [String: String] = [:]
    for part in text.split(separator: "&") {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard pair.count == 2, ["jump", "identity"].contains(pair[0]),
        let value = PercentText.decoded(pair[1]),
        options.updateValue(value, forKey: String(pair[0])) == nil
      else { return nil }
    }
    return options
  }

  var description: String {
    let name = host.contains(":") ? "[\(host)]" : host
    let options = [("jump", jump), ("identity", identity)].compactMap { name, value in
      value.map { "\(name)=\(PercentText.encoded($0))" }
    }
    return "ssh://\(user.map { "\($0)@" } ?? "")\(name)\(port.map { ":\($0)" } ?? "")"
      + (options.isEmpty ? "" : "?\(options.joined(separator: "&"))")
  }

  /// The host for ssh's command line, with the user if there is one.
  private var target: String { user.map { "\($0)@\(host)" } ?? host }

  /// The options of ssh that reach this host.
  private var options: [String] {
    (port.map { ["-p", "\($0)"] } ?? []) + (jump.map { ["-J", $0] } ?? [])
      + (identity.map { ["-i", $0] } ?? [])
  }

  func arguments(running command: [String], connectTimeout: Duration) -> [String] {
    // ssh takes whole seconds, at least 1.
    let seconds = max(1, connectTimeout.wholeMilliseconds / 1_000)
    // ssh must not change any bytes: no terminal (-T), no escape character (-e none). It joins the
    // words of the command with spaces, and a shell on the host reads them.
    return ["ssh", "-T", "-e", "none", "-o", "ConnectTimeout=\(seconds)"]
      + (asksNothing ? ["-o", "BatchMode=yes"] : []) + options
      + ["--", target] + command.map(CommandWords.quoted)
  }

  /// ssh exits with 255 if it fails itself (ssh(1), "Exit status"), else with the status of the
  /// command, which is the shell's.
  func meaning(of status: Int32) -> CarrierFailure {
    switch status {
    case 255: .program
    case 127: .notFound
    case 126: .notExecutable
    default: .unknown
    }
  }

  var words: CarrierWords {
    let ssh = CommandWords.joined(["ssh"] + options + [target])
    return CarrierWords(
      place: target, location: "on \(target)", journey: "ssh to \(target)",
      task: "connect to \(target) or log in there", check: "\(ssh) true",
      version: "\(ssh) telpher --version",
      copy:
        "\(ssh) 'cat >telpher && sudo install telpher /usr/local/bin/' <\"$(command -v telpher)\"")
  }
}
