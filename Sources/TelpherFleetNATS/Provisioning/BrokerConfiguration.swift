/// The configuration of a nats-server for a fleet, as text.
package struct BrokerConfiguration: Sendable, Equatable {
  /// Where it listens: `HOST:PORT`.
  package var listen: String
  /// The folder of its data; an absolute path.
  package var store: String
  /// The file for its process id; an absolute path.
  package var processFile: String

  /// A configuration.
  package init(listen: String, store: String, processFile: String) {
    (self.listen, self.store, self.processFile) = (listen, store, processFile)
  }

  /// The name of the file with the users, beside the configuration.
  package static let usersFile = "users.conf"

  /// The configuration file.
  package var text: String {
    """
    # Written by 'telpher fleet init'. docs/FLEET.md says what to add for three servers and for TLS.
    server_name: fleet
    listen: \(Self.quoted(listen))
    pid_file: \(Self.quoted(processFile))
    jetstream {
      store_dir: \(Self.quoted(store))
      # Without it, a machine that loses its power loses jobs that were accepted.
      sync_interval: always
    }
    include \(Self.usersFile)

    """
  }

  /// The file with the users.
  package static func users(_ members: [FleetMember]) -> String {
    let lines = members.map { "    # \($0.name)\n    \($0.user)\n" }.joined()
    return "# Written by 'telpher fleet enroll'.\nauthorization {\n  users: [\n\(lines)  ]\n}\n"
  }

  private static func quoted(_ text: String) -> String {
    "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}
