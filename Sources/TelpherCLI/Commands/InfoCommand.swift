internal import ArgumentParser
internal import TelpherClient
internal import TelpherText
internal import TelpherTransport
internal import TelpherWire

/// `telpher info`
struct InfoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Prints a server's version, host, load and limits.")

  @OptionGroup var server: ServerOptions

  @Flag(help: "Prints one JSON object.")
  var json = false

  func run() async throws { try await Self.run(on: server.settings, json: json) }

  /// Prints what the server reports about itself, as one JSON object if `json` is true.
  ///
  /// - Throws: `Failure`.
  static func run(on server: ServerSettings, json: Bool) async throws(Failure) {
    do {
      let connection = try await ServerReach(settings: server).connect(embeddedServer: .forbidden)
        .connection
      let info = try await connection.info()
      if json {
        try JSONText.print(info)
      } else {
        try Descriptor.output.print(text(info))
      }
    } catch {
      throw Failure(error)
    }
  }

  /// The limits by the names of their options.
  private static func shown(_ names: [String]) -> String {
    names.map { ResourceLimit.Kind(rawValue: $0)?.optionName ?? $0 }.sorted()
      .joined(separator: ", ")
  }

  /// A limit as it is written on the command line.
  private static func shown(_ name: String, _ value: UInt64) -> String {
    guard let kind = ResourceLimit.Kind(rawValue: name) else { return "\(name) \(value)" }
    return "\(kind.optionName) \(ResourceLimit(kind, value).valueText)"
  }

  private static func text(_ info: ServerInfo) -> String {
    let lines: [(String, String)] = [
      ("server", info.server), ("protocol", "\(info.protocolVersion)"), ("pid", "\(info.pid)"),
      ("host", info.host), ("system", info.system), ("kill scope", info.killScope),
      ("uptime", "\(info.uptimeS) s"), ("connections", "\(info.connections)"),
      ("running", "\(info.running)"), ("started", "\(info.started)"),
    ]
    let others: [(String, String)] = [
      ("tls", info.tls ?? ""),
      ("user", info.user ?? ""),
      ("enforceable limits", info.enforceableLimits.map(shown) ?? "unknown"),
      (
        "limits of every command",
        (info.commandLimits ?? [:]).sorted { $0.key < $1.key }.map { shown($0.key, $0.value) }
          .joined(separator: ", ")
      ),
    ].filter { !$1.isEmpty }
    let limits = info.limits.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
    // The texts come from the server: escape what could change the terminal.
    return (lines + others + limits).map { "\(ShownText.escaped("\($0.0): \($0.1)"))\n" }.joined()
  }
}
