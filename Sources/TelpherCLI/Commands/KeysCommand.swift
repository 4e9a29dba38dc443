internal import ArgumentParser
internal import TelpherClient
internal import TelpherKeys
internal import TelpherText

/// `telpher keys`
struct KeysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys",
    abstract: "Shows the host keys of servers with TLS that are known here, or forgets one.",
    discussion: """
      The keys are in ~/.config/telpher/known_hosts, in the format of ssh's known_hosts. telpher \
      refuses a server whose key differs from the known one.
      """,
    subcommands: [KeysListCommand.self, KeysForgetCommand.self],
    defaultSubcommand: KeysListCommand.self)

  /// The file of the known hosts.
  static var file: KnownHostsFile {
    KnownHostsFile(KnownHostsFile.defaultPath(environment: Environment.current()))
  }

  /// The server that the user names by an address, by a name of the configuration, or as
  /// `HOST[:PORT]`.
  ///
  /// - Throws: `Failure`, `ClientError`.
  static func host(_ text: String) throws -> TLSServer {
    if !text.contains("/"), let address = TLSAddress(hostAndPort: text[...]) {
      let named = try? HostName.server(text, environment: Environment.current()).endpoint
      return named.flatMap(server) ?? TLSServer(address)
    }
    let endpoint = try HostName.server(text, environment: Environment.current()).endpoint
    guard let server = server(endpoint) else {
      throw ClientError(
        .badAddress,
        "'\(text)' has no host key: only tls://HOST[:PORT] and hub+ADDRESS/NAME have one")
    }
    return server
  }

  /// The server at an address; nil if it has no host key.
  static func server(_ endpoint: Endpoint) -> TLSServer? {
    switch endpoint {
    case .tls(let address): TLSServer(address)
    case .hub(let address): TLSServer(address)
    case .socket, .carrier: nil
    }
  }
}

/// `telpher keys list`
struct KeysListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Shows the host keys that are known here; the default.",
    discussion: "Prints a line for each: the host, the fingerprint, and the kind of key.")

  @Option(
    name: .customLong("on"),
    help: ArgumentHelp(
      "Only the keys of this server. The status is 1 if there are none.", valueName: "address"),
    completion: WordCompletion.server)
  var address: String?

  func run() async throws {
    do {
      let hosts = try KeysCommand.file.read()
      let host = try address.map(KeysCommand.host)
      var count = 0
      for (names, entry) in hosts.entries {
        if let host {
          let verdict = try hosts.verdict(on: entry.key, of: host.host, port: host.port)
          guard case .known(line: entry.line) = verdict else { continue }
        }
        count += 1
        // Hashed names can't be shown; the one that was asked for can.
        let name = host.map { TelpherKeys.KnownHosts.name(of: $0.host, port: $0.port) } ?? names
        let line = "\(name) \(entry.key.fingerprint) (\(Self.kind(entry.key)))"
        try Descriptor.output.print(ShownText.escaped(line) + "\n")
      }
      if let host, count == 0 {
        throw Failure("no host key of \(host) is known here", status: ExitStatus.filesFailed)
      }
    } catch {
      throw Failure(error)
    }
  }

  /// The kind of a key, as ssh-keygen prints it.
  private static func kind(_ key: SSHPublicKey) -> String {
    switch key.kind {
    case .ed25519: "ED25519"
    case .ecdsa: "ECDSA"
    case .rsa: "RSA"
    case .securityEd25519: "ED25519-SK"
    case .securityECDSA: "ECDSA-SK"
    }
  }
}

/// `telpher keys forget`
struct KeysForgetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget",
    abstract: "Removes the host key of a server, for example after it was replaced.",
    discussion: """
      Connections to the server that are kept open for later commands are ended too: the next command \
      asks for the key again. Commands that still use such a connection go on.
      """)

  @Argument(
    help: ArgumentHelp("The host: HOST[:PORT], or an address as --on takes it.", valueName: "host"),
    completion: WordCompletion.server)
  var host: String

  func run() async throws {
    do {
      let address = try KeysCommand.host(host)
      let file = KeysCommand.file
      let result = try file.forget(address.host, port: address.port)
      let patterns = result.patterns.map(String.init).joined(separator: ", ")
      guard patterns.isEmpty else {
        throw Failure(
          "line \(patterns) of \(file.path) names \(address) by a pattern: change it by hand",
          status: ExitStatus.filesFailed)
      }
      guard !result.removed.isEmpty else {
        throw Failure("no host key of \(address) is known here", status: ExitStatus.filesFailed)
      }
      try await endConnections(to: address)
    } catch {
      throw Failure(error)
    }
  }

  /// Ends the kept connections to a server: a command that uses one does not check the server's key.
  ///
  /// - Throws: `Failure` if one has not ended: later commands would use it.
  private func endConnections(to address: TLSServer) async throws {
    let relays = try await RunningRelay.all(
      CurrentBackend.require(), environment: Environment.current())
    for relay in relays where relay.leads(to: address) {
      guard !relay.end(atOnce: false) else { continue }
      let clients = relay.description?.clients ?? 0
      guard clients > 0 else {
        throw Failure(
          "the background process \(relay.process), which keeps a connection to \(address), has not ended: 'telpher disconnect --now \(address)' ends it",
          status: ExitStatus.filesFailed)
      }
      Descriptor.complain(
        "the connection that is kept to \(address) ends after \(Amount.count(clients, "command")) that still \(clients == 1 ? "uses" : "use") it; 'telpher disconnect --now \(address)' ends it at once"
      )
    }
  }
}

extension RunningRelay {
  /// Whether it keeps a connection to this server.
  fileprivate func leads(to address: TLSServer) -> Bool {
    guard let text = description?.address, let endpoint = try? Endpoint(parsing: text),
      let own = KeysCommand.server(endpoint)
    else { return false }
    return own.host == address.host && own.port == address.port
  }
}
