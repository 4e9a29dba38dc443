internal import TelpherFleet
internal import TelpherText

/// A job as `telpher job show` prints it. Texts of others are escaped when they are printed.
struct ShownJob: Encodable {
  var job: String
  var state: String
  var queue: String?
  var worker: String?
  var attempt: Int?
  var by: String?
  var command: String?
  var policy: String?
  var reason: String?
  var outcome: FinalRecord?

  private enum CodingKeys: String, CodingKey {
    case job, state, queue, worker, attempt, by, command, policy, reason, outcome
  }

  init(_ status: FleetClient.Status) {
    job = status.id.description
    state = FleetOutcome.state(of: status)
    let signed = status.job
    queue = status.queue.description
    worker = status.worker?.description
    attempt = status.attempt == 0 ? nil : status.attempt
    by = signed?.signer
    command = status.command
    switch signed?.job.policy {
    case .once: policy = "once"
    case .retry(let count): policy = "retry, \(count) attempts at most"
    case nil: policy = nil
    }
    reason = status.final?.outcome.reason ?? status.lastFault
    outcome = status.final
  }

  /// The lines.
  var text: String {
    var lines: [(String, String?)] = [
      ("job", job), ("state", state), ("queue", queue), ("worker", worker),
      ("attempt", attempt.map(String.init)), ("submitted by", by), ("command", command),
      ("policy", policy), ("reason", reason),
    ]
    if case .ended(let end)? = outcome?.outcome, end.status != .notStarted {
      lines += [
        ("started", EntryText.localTime(Int128(end.startedMS) * 1_000_000)),
        ("ended", EntryText.localTime(Int128(end.endedMS) * 1_000_000)),
        ("output", "\(end.outputBytes) bytes, errors \(end.errorBytes) bytes"),
      ]
    }
    return lines.compactMap { name, value in
      value.map { "\(name): \(ShownText.escaped($0))\n" }
    }.joined()
  }
}
