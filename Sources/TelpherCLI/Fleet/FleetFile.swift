internal import TelpherFleet
internal import TelpherNATS
internal import TelpherTransport

/// A file that says how a member of a fleet reaches its hub, and what it is. `telpher fleet enroll`
/// writes it. Each line is empty, a comment that begins with #, or a key and its value:
///
///     hub nats://10.0.0.1:4222     the broker's address; several: one line for each
///     hub-ca hub-ca.pem            the authorities of the broker's certificate (PEM), if it uses TLS
///                                  and they are not among those of the system
///     credentials web1.key         the file with the credentials, from the folder of this file
///     api TJ.API                   what the subjects of its requests to JetStream begin with
///     member web1                  the member's name
///     worker web1                  the name of the worker, if it is one
///     group web                    a group whose queue the worker serves; several: one line each
struct FleetFile: Equatable {
  /// The addresses of the broker's servers.
  var hubs: [String] = []
  /// The file with the authorities of the broker's certificate; nil for those of the system.
  var authorities: String?
  /// The file with the credentials; nil for none.
  var credentials: String?
  /// What the subjects of requests to the broker's JetStream begin with; nil for the usual.
  var api: NATSSubject?
  /// The member's name.
  var member: FleetName?
  /// The worker's name.
  var worker: WorkerName?
  /// The groups of the worker.
  var groups: [FleetName] = []

  /// Reads the text of a file.
  ///
  /// - Throws: `Failure` with the line of a mistake.
  init(parsing text: String, path: String) throws(Failure) {
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      guard let key = words.first, !key.hasPrefix("#") else { continue }
      func fault(_ message: String) -> Failure {
        Failure("\(path):\(index + 1): \(message)", kind: "bad_configuration")
      }
      guard words.count == 2 else { throw fault("a line is a key and its value") }
      let value = String(words[1])
      switch key {
      case "hub": hubs.append(value)
      case "hub-ca": authorities = value
      case "credentials": credentials = value
      case "api":
        guard let subject = try? NATSSubject(value), !subject.hasWildcards else {
          throw fault("'\(value)' is not a subject")
        }
        api = subject
      case "member":
        guard let name = FleetName(value) else { throw fault("'\(value)' is not a name") }
        member = name
      case "worker":
        guard let name = WorkerName(value) else { throw fault("'\(value)' is not a name") }
        worker = name
      case "group":
        guard let name = FleetName(value) else { throw fault("'\(value)' is not a name") }
        groups.append(name)
      default:
        throw fault(
          "the key '\(key)' is not known; use hub, hub-ca, credentials, api, member, worker or group"
        )
      }
    }
  }

  /// Nothing.
  init() {}

  /// The text of the file.
  var text: String {
    let lines =
      hubs.map { "hub \($0)" } + [authorities.map { "hub-ca \($0)" }].compactMap(\.self)
      + [credentials.map { "credentials \($0)" }].compactMap(\.self)
      + [api.map { "api \($0)" }].compactMap(\.self)
      + [member.map { "member \($0)" }].compactMap(\.self)
      + [worker.map { "worker \($0)" }].compactMap(\.self) + groups.map { "group \($0)" }
    return lines.map { $0 + "\n" }.joined()
  }
}
