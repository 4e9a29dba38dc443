internal import ArgumentParser
internal import Glibc
internal import Logging
internal import TelpherTransport

/// The options of a server that a hub makes reachable.
struct DialOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Connects to the hub at this address, which passes clients on to this server.",
      discussion: """
        For a machine that clients can't reach: they connect to hub+ADDRESS/NAME. ADDRESS is that of a \
        'telpher serve --hub', as --on takes it; ssh://HOST is the one at your default socket there. The hub passes bytes on and can't read them: clients use \
        TLS with this server, which has a host key and authorized keys (or --client-ca) of its own. The \
        connection is made again when it is lost.
        """,
      valueName: "address"),
    completion: WordCompletion.server)
  var dial: String?

  @Option(
    help: ArgumentHelp(
      "With --dial: the ssh key that proves to the hub who this server is.",
      discussion: "Default: the keys of the ssh-agent, then ~/.ssh/id_*.", valueName: "file"),
    completion: .file())
  var dialIdentity: String?

  @Option(
    help: ArgumentHelp(
      "With --dial: the fingerprint of the hub's host key, if the hub is not known here.",
      valueName: "fingerprint"))
  var dialHostKey: String?

  func validate() throws {
    guard dial != nil || (dialIdentity == nil && dialHostKey == nil) else {
      throw ValidationError("--dial-identity and --dial-host-key need --dial")
    }
    if dial?.isEmpty == true { throw ValidationError("--dial needs an address") }
  }

  /// The hub; nil if there is none.
  ///
  /// - Parameters:
  ///   - name: the name of the server there.
  ///   - tokenFile: the value of `--token-file`, if there is one.
  /// - Throws: `Failure` if the address is wrong.
  func dialed(
    as name: HubName, tokenFile: String?, environment: [String: String], _ logger: Logger
  ) throws -> DialedHub? {
    guard let dial else { return nil }
    do {
      return try DialedHub(
        dial, as: name, identity: dialIdentity, hostKey: dialHostKey, tokenFile: tokenFile,
        environment: environment, logger)
    } catch {
      throw Failure(error)
    }
  }
}

/// The options of a server that is a hub, or that dials one.
struct HubOptions: ParsableArguments {
  @Flag(
    help: ArgumentHelp(
      "Is a hub: clients may register names, under which other clients reach them.",
      discussion: """
        A server that can't be reached registers with 'telpher serve --dial'. The hub passes bytes on, \
        and can't read them. Without --policy each client may register a name that no other client \
        holds, and connect to each name; with it, 'listen: hub:NAME' and 'connect: hub:NAME' allow that. \
        Without --policy, a hub that is nothing else has --no-commands and --root none too.
        """))
  var hub = false

  @OptionGroup var dialing: DialOptions

  @Option(
    help: ArgumentHelp(
      "With --dial: the name of this server at the hub.",
      discussion: "Default: the name of this machine, up to its first dot.", valueName: "name"),
    transform: HubNameArgument.parse)
  var name: HubName?

  /// Whether the server dials a hub.
  var dials: Bool { dialing.dial != nil }

  /// Checks the options beside the other ones of `serve`.
  ///
  /// - Throws: `ValidationError`.
  func validate(listen: [ListenAddress], isRelay: Bool, replaces: Bool) throws {
    guard name == nil || dials else { throw ValidationError("--name needs --dial") }
    if hub || dials, isRelay || listen.contains(.stdio) {
      throw ValidationError(
        "--hub and --dial cannot be combined with --relay or --listen stdio: one client at a time, or none, would use them"
      )
    }
    if replaces, dials, listen.isEmpty {
      throw ValidationError(
        "--replace needs --listen: a server with only --dial takes the name over by itself")
    }
  }

  /// The hub that the server dials; nil if it dials none.
  ///
  /// - Throws: `Failure` if its address or the name is wrong.
  func dialed(tokenFile: String?, _ logger: Logger) throws -> DialedHub? {
    guard dials else { return nil }
    guard let name = name ?? HubNameArgument.ofThisMachine() else {
      throw Failure("the name of this machine is none for a hub: give one with --name")
    }
    return try dialing.dialed(
      as: name, tokenFile: tokenFile, environment: Environment.current(), logger)
  }
}

/// Reads the name of a server at a hub.
enum HubNameArgument {
  static func parse(_ text: String) throws -> HubName {
    guard let name = HubName(text) else { throw ValidationError("'\(text)': \(HubName.rule)") }
    return name
  }

  /// The name of this machine up to its first dot; nil if it is no name for a hub.
  static func ofThisMachine() -> HubName? {
    var system = utsname()
    guard uname(&system) == 0 else { return nil }
    let name = withUnsafeBytes(of: &system.nodename) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    return HubName(name.prefix { $0 != "." })
  }
}
