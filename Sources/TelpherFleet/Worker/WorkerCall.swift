/// A request to a worker, and its answer.
///
///     {"op":"ping"}                      {"ok":true}
///     {"job":"6d3f...","op":"cancel"}    {"ok":true}, or {"message":"...","ok":false}
package enum WorkerCall: Sendable, Equatable {
  /// Whether it is there.
  case ping
  /// Cancel a job. The answer comes before the job's end.
  case cancel(JobID)

  private struct Form: Codable {
    var op: String
    var job: String?
  }

  /// The request.
  package var payload: [UInt8] {
    switch self {
    case .ping: FleetCoding.encode(Form(op: "ping"))
    case .cancel(let job): FleetCoding.encode(Form(op: "cancel", job: job.description))
    }
  }

  /// Reads a request; nil if it is none.
  package init?(payload: [UInt8]) {
    guard payload.count <= FleetLimits.maxMessageLength,
      let form = try? FleetCoding.decode(Form.self, payload)
    else { return nil }
    switch (form.op, form.job.map(JobID.init)) {
    case ("ping", nil): self = .ping
    case ("cancel", .some(let job?)): self = .cancel(job)
    default: return nil
    }
  }
}

/// A worker's answer to a call.
package struct WorkerAnswer: Sendable, Equatable, Codable {
  /// Whether it was done.
  package var ok: Bool
  /// Why not.
  package var message: String?

  /// An answer.
  package init(ok: Bool, message: String? = nil) { (self.ok, self.message) = (ok, message) }

  /// The payload.
  package var payload: [UInt8] { FleetCoding.encode(self) }

  /// Reads an answer; nil if it is none.
  package init?(payload: [UInt8]) {
    guard payload.count <= FleetLimits.maxMessageLength,
      let answer = try? FleetCoding.decode(WorkerAnswer.self, payload)
    else { return nil }
    self = answer
  }
}
