/// A request about durable jobs: the keys of an OPEN with one of the operations below
/// (docs/PROTOCOL.md, "Durable jobs").
package struct JobRequest: Sendable, Equatable, Codable {
  /// The operation.
  package enum Operation: String, Sendable, CaseIterable {
    /// Send the job's output, and its result at its end.
    case attach
    /// Send the job's result at its end.
    case wait
    /// List the jobs.
    case jobs
    /// Remove a finished job with its journal.
    case forget
    /// From a server to its job host: the terms of the job.
    case terms
  }

  /// The operation.
  package var operation: Operation
  /// The job: its id, a unique beginning of the id, or its name. All but `jobs` need it.
  package var job: String?
  /// `attach`: by channel number, the offset of the first byte to send; 0 if it is not there.
  package var from: [String: UInt64]?
  /// `attach`: begin with this many of the last lines, instead of `from`.
  package var tail: UInt64?
  /// `attach`: whether to go on until the job has finished. If false, the stream ends with the
  /// output that there is. True if nil.
  package var follow: Bool?
  /// `attach`: the numbers of the outputs to send; both if nil.
  package var channels: [UInt8]?
  /// `attach`: whether to send the time of each piece of output.
  package var times: Bool?

  /// The longest reference to a job in bytes: an id has 32, a name 64.
  package static let maxReferenceLength = 64
  /// The most lines of `tail`: their beginning is searched in the journal.
  package static let maxTail: UInt64 = 1_000_000_000

  /// A request.
  package init(_ operation: Operation, job: String? = nil) {
    self.operation = operation
    self.job = job
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case job, from, tail, follow, channels, times
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    job = try container.decodeIfPresent(String.self, forKey: .job)
    from = try container.decodeIfPresent([String: UInt64].self, forKey: .from)
    tail = try container.decodeIfPresent(UInt64.self, forKey: .tail)
    follow = try container.decodeIfPresent(Bool.self, forKey: .follow)
    channels = try container.decodeIfPresent([UInt8].self, forKey: .channels)
    times = try container.decodeIfPresent(Bool.self, forKey: .times)
    // The caller sets it: the key 'op' belongs to the whole OPEN.
    operation = .jobs
  }

  /// Returns the request if its values are valid.
  func validated() throws(WireError) -> JobRequest {
    func refuse(_ message: String) -> WireError {
      WireError(.protocolError, "\(operation.rawValue): \(message)")
    }
    if operation != .jobs {
      guard let job, !job.isEmpty else { throw refuse("'job' is missing") }
      guard job.utf8.count <= Self.maxReferenceLength else {
        throw refuse("'job' is longer than \(Self.maxReferenceLength) bytes")
      }
    }
    if from != nil && tail != nil { throw refuse("use 'from' or 'tail', not both") }
    if let key = from?.keys.first(where: { $0 != "1" && $0 != "2" }) {
      throw refuse("'from' has the channel '\(key)'; the outputs are 1 and 2")
    }
    if let from, from.values.contains(where: { $0 > WireConstants.maxOffset }) {
      throw refuse("an offset in 'from' is larger than 2^62")
    }
    if let channels, channels.isEmpty || channels.contains(where: { $0 != 1 && $0 != 2 }) {
      throw refuse("'channels' must list the outputs 1, 2 or both")
    }
    if let tail, tail > Self.maxTail { throw refuse("'tail' is larger than \(Self.maxTail)") }
    return self
  }
}
