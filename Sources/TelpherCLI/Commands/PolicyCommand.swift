internal import ArgumentParser
internal import Glibc
internal import TelpherFileStore
internal import TelpherPolicy
internal import TelpherServer
internal import TelpherText
internal import TelpherTransport

/// `telpher policy`
struct PolicyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy",
    abstract: "Checks a policy file, and shows what it allows.",
    discussion: "docs/POLICY.md describes the file, which 'telpher serve --policy' enforces.",
    subcommands: [PolicyCheckCommand.self, PolicyExplainCommand.self])
}

/// `telpher policy check`
struct PolicyCheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Reports the first mistake in a policy file, with its line.",
    discussion: """
      Run it as the server's user on the server's machine: like 'telpher serve', it needs the users and \
      the folders that the file names. The exit status is 0 if a server accepts the file.
      """)

  @Argument(help: ArgumentHelp("The file.", valueName: "file"), completion: .file())
  var file: String

  func run() async throws {
    let loaded = try ServedPolicy(path: file).check()
    for fault in loaded.faults {
      Descriptor.complain("\(file): a folder can't be used: \(fault)")
    }
    let rules = loaded.policy.rules
    try Descriptor.output.print("\(file): \(Amount.count(rules.count, "rule"))\n")
  }
}

/// `telpher policy explain`
struct PolicyExplainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Shows whether an identity may do something, and which rule says so.",
    usage: "telpher policy explain [OPTIONS] --as IDENTITY [--] [COMMAND [ARG ...]]",
    discussion: """
      Names one thing to do: a COMMAND with its arguments, or one of --shell, --read, --write, \
      --connect and --listen. The exit status is 0 if it is allowed and 1 if it is denied.
      """)

  @Option(
    help: ArgumentHelp(
      "The policy.", discussion: "Default: ~/.config/telpher/policy.yml.", valueName: "file"),
    completion: .file())
  var policy: String?

  @Option(
    name: .customLong("as"),
    help: ArgumentHelp(
      "The identity: owner, SHA256:FINGERPRINT of an ssh key, cert:NAME of a certificate, or user:NAME or uid:NUMBER of a user of this machine.",
      valueName: "identity"),
    transform: parseIdentity)
  var identity: PolicyIdentity

  @Option(
    help: ArgumentHelp(
      "The user in whose authorized_keys the key is, for rules with 'run_as: from-key'.",
      valueName: "user"))
  var keyOf: String?

  @Flag(help: "A line for a shell, or a login shell.")
  var shell = false

  @Flag(name: .customShort("t"), help: "With COMMAND or --shell: on a terminal.")
  var terminal = false

  @Option(help: ArgumentHelp("Read this file or folder.", valueName: "path"))
  var read: String?

  @Option(help: ArgumentHelp("Make, change or remove this file or folder.", valueName: "path"))
  var write: String?

  @Option(help: ArgumentHelp("Connect to this address.", valueName: "address"))
  var connect: String?

  @Option(help: ArgumentHelp("Accept connections at this address.", valueName: "address"))
  var listen: String?

  @Argument(
    parsing: .postTerminator, help: ArgumentHelp("The command.", valueName: "command"))
  var words: [String] = []

  static func parseIdentity(_ text: String) throws -> PolicyIdentity {
    guard let identity = PolicyIdentity(text), identity != .any else {
      throw ValidationError(
        "'\(text)' is not an identity; use owner, SHA256:FINGERPRINT, cert:NAME, user:NAME or uid:NUMBER"
      )
    }
    return identity
  }

  func validate() throws {
    let asked = [read, write, connect, listen].compactMap(\.self).count
    guard asked + (shell ? 1 : 0) + (words.isEmpty ? 0 : 1) == 1 else {
      throw ValidationError(
        "name one thing to do: '-- COMMAND', --shell, --read, --write, --connect or --listen")
    }
    if terminal, words.isEmpty, !shell {
      throw ValidationError("-t needs a COMMAND or --shell")
    }
    if keyOf != nil {
      guard case .key = identity else { throw ValidationError("--key-of is for an ssh key") }
    }
    _ = try request
  }

  func run() async throws {
    let home = Environment.current()["HOME"] ?? ""
    let policy = try PolicyFile.read(policy ?? "\(home)/.config/telpher/policy.yml")
    switch policy.decide(try request, by: subject) {
    case .allowed(let rule):
      try Descriptor.output.print("allowed by the rule on line \(rule.line)\(rule.terms)\n")
    case .denied(let denial):
      var text = "denied: \(denial.message)\n"
      for (line, reason) in denial.reasons { text += "  rule on line \(line): \(reason.text)\n" }
      try Descriptor.output.print(text)
      throw ExitCode(1)
    }
  }

  private var subject: PolicySubject {
    switch identity {
    case .key(let fingerprint): .key(fingerprint: fingerprint, account: keyOf)
    case .certificate(let name): .certificate(name.text)
    case .user(let name):
      .user(uid: (try? SystemAccount(named: name.text))?.user ?? .max, name: name.text)
    case .uid(let uid):
      .user(uid: uid, name: getpwuid(uid).map { String(cString: $0.pointee.pw_name) })
    case .owner, .any: .owner
    }
  }

  /// What is asked for.
  private var request: PolicyRequest {
    get throws {
      do {
        if let connect { return .connect(try StreamTarget(parsing: connect)) }
        if let listen { return .listen(try StreamTarget(parsing: listen)) }
        var files = PolicyRequest.Files()
        if let read { files.reads = [try path(read)] }
        if let write { files.writes = [try path(write)] }
        if read != nil || write != nil { return .files(files) }
      } catch let error as TransportError {
        throw ValidationError(error.message)
      } catch let error as FileError {
        throw ValidationError(error.message)
      }
      var run = PolicyRequest.Run(argv: shell ? nil : words.map { Array($0.utf8) })
      run.usesTerminal = terminal
      return .run(run)
    }
  }

  private func path(_ text: String) throws -> PolicyPath {
    let requested = try RequestedPath(Array(text.utf8))
    return PolicyPath(isFromHome: requested.start == .home, bytes: requested.path.bytes)
  }
}

extension PolicyRule {
  /// What holds for everything that the rule allows, for the user.
  fileprivate var terms: String {
    var terms: [String] = []
    switch runsAs {
    case .user(let name): terms.append("as the user \(ShownText.escaped(name))")
    case .fromKey: terms.append("as the user who has the key")
    case nil: break
    }
    if let directory { terms.append("in \(ShownText.escaped(directory))") }
    terms += limits.map { "\($0.kind.optionName) \($0.valueText)" }
    if let milliseconds { terms.append("for \(milliseconds) ms at most") }
    if let concurrency { terms.append("\(concurrency) at once") }
    if !environment.isEmpty {
      let names = environment.keys.sorted().map { ShownText.escaped($0.text) }
      terms.append("with \(names.joined(separator: ", "))")
    }
    return terms.isEmpty ? "" : ": \(terms.joined(separator: ", "))"
  }
}
