internal import TelpherClient
internal import TelpherFleet
internal import TelpherText

/// The address that a worker announces. A worker that was broken into can announce what it likes.
enum AnnouncedAddress {
  /// Checks that a connection to the address starts no program of the worker's choice: only ssh, and what
  /// the user's own configuration names.
  ///
  /// - Throws: `Failure` if it could.
  static func check(_ address: String, of job: JobID) throws(Failure) {
    guard let endpoint = try? Endpoint(parsing: address), startsProgram(endpoint) else { return }
    throw Failure(
      "the worker of job \(job) announces an address that would start a program here: \(ShownText.escaped(address)); if you trust it, use 'telpher logs --on' with it",
      kind: "refused")
  }

  private static func startsProgram(_ endpoint: Endpoint) -> Bool {
    switch endpoint {
    case .carrier(let carrier): !carrier.description.hasPrefix("ssh://")
    case .hub(let address): startsProgram(address.hub)
    case .socket, .tls: false
    }
  }
}
