/// A request about the running commands of a server: the keys of OPEN with `"op": "ps"` or
/// `"op": "kill"`.
package struct CommandsRequest: Sendable, Equatable, Codable {
  /// The requests.
  package enum Operation: String, Sendable, CaseIterable {
    /// Lists commands.
    case list = "ps"
    /// Ends a command with all its processes, or sends them a signal.
    case kill
  }

  /// The request; the key `op`.
  package var operation = Operation.list
  /// `ps`: the id of the last command of the previous answer; nil for the first commands.
  package var after: String?
  /// `ps`: whether the durable jobs that run are listed, instead of the other commands.
  package var jobs: Bool?
  /// `kill`: the id of the command.
  package var job: String?
  /// `kill`: the number of the signal, 1 to 64. If nil, the command is ended: SIGTERM, then SIGKILL
  /// after its grace.
  package var signal: Int32?

  /// A request.
  package init(
    _ operation: Operation, after: String? = nil, jobs: Bool? = nil, job: String? = nil,
    signal: Int32? = nil
  ) {
    self.operation = operation
    self.after = after
    self.jobs = jobs
    self.job = job
    self.signal = signal
  }

  enum CodingKeys: String, CodingKey, CaseIterable { case after, jobs, job, signal }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    after = try container.decodeIfPresent(String.self, forKey: .after)
    jobs = try container.decodeIfPresent(Bool.self, forKey: .jobs)
    job = try container.decodeIfPresent(String.self, forKey: .job)
    signal = try container.decodeIfPresent(Int32.self, forKey: .signal)
  }

  /// Returns the request if its values are valid.
  func validated() throws(WireError) -> CommandsRequest {
    func refuse(_ message: String) -> WireError {
      WireError(.protocolError, "\(operation.rawValue): \(message)")
    }
    for id in [after, job].compactMap(\.self)
    where !(1...WireConstants.maxCommandIDLength).contains(id.utf8.count) {
      throw refuse("an id has 1 to \(WireConstants.maxCommandIDLength) bytes")
    }
    guard operation != .kill || job != nil else { throw refuse("'job' is missing") }
    if let signal, !WireConstants.signals.contains(signal) {
      throw refuse("there is no signal \(signal)")
    }
    return self
  }
}
