internal import ArgumentParser
internal import TelpherClient
internal import TelpherText

/// `telpher connections`
struct ConnectionsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "connections",
    abstract: "Lists the connections to other machines that are kept open.",
    discussion: """
      The first command for an address starts a background process, which keeps one connection \
      for all later commands of yours. It ends some time after the last of them (--keep).
      """)

  @Flag(help: "Prints one JSON object.")
  var json = false

  func run() async throws {
    do {
      let relays = try await RunningRelay.all(
        CurrentBackend.require(), environment: Environment.current())
      if json {
        return try JSONText.print(ConnectionsReport(connections: relays.map(ConnectionReport.init)))
      }
      for relay in relays { try Descriptor.output.print(ConnectionReport(relay).line + "\n") }
    } catch {
      throw Failure(error)
    }
  }
}

/// What `connections --json` prints.
private struct ConnectionsReport: Encodable {
  var connections: [ConnectionReport]
}

/// One kept connection.
private struct ConnectionReport: Encodable {
  /// The server's address; nil if the background process does not answer.
  var address: String?
  /// The id of the background process.
  var pid: Int32
  /// Its version and build.
  var version: String?
  /// The server's name and version.
  var server: String?
  /// The number of commands that use it now.
  var clients: Int?
  /// The number of open streams.
  var streams: Int?
  /// True if it ends after the commands that use it; later ones make a new connection.
  var isEnding: Bool?
  /// The age of the connection in milliseconds.
  var ageMS: UInt64?
  /// The time until it ends if it is not used, in milliseconds.
  var leftMS: UInt64?

  enum CodingKeys: String, CodingKey {
    case address, pid, version, server, clients, streams
    case ageMS = "age_ms"
    case leftMS = "left_ms"
    case isEnding = "ending"
  }

  init(_ relay: RunningRelay) {
    address = relay.description?.address
    pid = relay.process
    version = relay.description?.version
    server = relay.server
    clients = relay.description?.clients
    streams = relay.description?.streams
    ageMS = relay.description?.ageMS
    leftMS = relay.description?.leftMS
    isEnding = relay.description?.isEnding
  }

  /// The line for the user.
  var line: String {
    guard let address, let clients, let ageMS else {
      return "process \(pid) does not answer; 'telpher disconnect --now' ends it"
    }
    let use =
      if isEnding == true {
        clients == 0 ? "ending" : "ends after \(Amount.count(clients, "command"))"
      } else {
        leftMS.map { "not in use, ends in \(Self.seconds($0))" }
          ?? "used by \(Amount.count(clients, "command"))"
      }
    return ShownText.escaped(
      "\(address)  open for \(Self.seconds(ageMS)), \(use), process \(pid)")
  }

  private static func seconds(_ milliseconds: UInt64) -> String { "\(milliseconds / 1_000) s" }
}
