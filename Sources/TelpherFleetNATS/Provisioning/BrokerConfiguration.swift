/// The configuration of a nats-server for a fleet, as text.
package struct BrokerConfiguration: Sendable, Equatable {
  /// Where it listens: `HOST:PORT`.
  package var listen: String
  /// The folder of its data; an absolute path.
  package var store: String
  /// The file for its process id; an absolute path.
  package var processFile: String

  /// The files of a certificate and of its key; absolute paths.
  package struct Certificate: Sendable, Equatable {
    package var certificate: String
    package var key: String

    /// A certificate with its key.
    package init(certificate: String, key: String) {
      (self.certificate, self.key) = (certificate, key)
    }
  }
  /// By what it proves who it is, with TLS; nil without.
  package var certificate: Certificate?

  /// A configuration.
  package init(listen: String, store: String, processFile: String) {
    (self.listen, self.store, self.processFile) = (listen, store, processFile)
  }

  /// The name of the file with the accounts of the users, beside the configuration.
  package static let usersFile = "users.conf"

  /// The configuration file.
  package var text: String {
    """
    # Written by 'telpher fleet init'. docs/FLEET.md says what to add for three servers.
    server_name: fleet
    listen: \(Self.quoted(listen))
    pid_file: \(Self.quoted(processFile))
    jetstream {
      store_dir: \(Self.quoted(store))
      # Without it, a machine that loses its power loses jobs that were accepted.
      sync_interval: always
    }
    include \(Self.usersFile)
    \(tls)
    """
  }

  private var tls: String {
    guard let certificate else { return "" }
    return """
      tls {
        cert_file: \(Self.quoted(certificate.certificate))
        key_file: \(Self.quoted(certificate.key))
      }

      """
  }

  /// The file with the accounts of the users.
  package static func users(_ members: [FleetMember]) -> String {
    """
    # Written by 'telpher fleet enroll'. The streams are in an account of their own. Each member has another
    # one, which imports what the member may use: nats-server does not check where answers to a member go,
    # but it leaves them in the member's account.
    accounts {
    \(BrokerAccount.all(members).map(\.text).joined())}

    """
  }

  private static func quoted(_ text: String) -> String {
    "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}
