internal import TelpherClient

/// The server that a user names by an address, by a name of the configuration, or by a name that ssh
/// knows.
struct NamedServer: Equatable {
  /// The address.
  let endpoint: Endpoint
  /// How long a connection to it is kept after its last use, if the configuration says so.
  var keep: Duration?
}
