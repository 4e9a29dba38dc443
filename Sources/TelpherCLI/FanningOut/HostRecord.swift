internal import TelpherClient
internal import TelpherHosts

/// The JSON object of `on HOSTS --json` for one host: its name, its state, and what `run --json` prints.
struct HostRecord: Encodable {
  let host: String
  let state: HostState
  /// How the command ended, if it was started.
  let end: Result<CommandResult, Failure>?
  let output: [UInt8]
  let error: [UInt8]

  private enum CodingKeys: String, CodingKey {
    case host, state
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(host, forKey: .host)
    try container.encode(state.word, forKey: .state)
    switch state {
    case .done(let result):
      guard let end else { return }
      try RunReport(outcome: end, output: output, error: error, status: result.status)
        .encode(to: encoder)
    case .lost(let message):
      try RunReport(
        outcome: .failure(Failure(message, kind: "lost")), output: output, error: error,
        status: ExitStatus.failure
      ).encode(to: encoder)
    case .unreachable(let message):
      try RunReport(
        outcome: .failure(Failure(message, kind: "unreachable")), status: ExitStatus.failure
      ).encode(to: encoder)
    case .canceled, .notStarted, .waiting, .connecting, .running: break
    }
  }
}

extension HostState {
  /// The state as a word, for records.
  var word: String {
    switch self {
    case .waiting: "waiting"
    case .connecting: "connecting"
    case .running: "running"
    case .done: "done"
    case .unreachable: "unreachable"
    case .lost: "lost"
    case .canceled: "canceled"
    case .notStarted: "not_started"
    }
  }
}
