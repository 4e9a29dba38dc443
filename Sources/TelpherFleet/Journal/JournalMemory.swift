internal import TelpherJSON
internal import TelpherKeys

/// What the journal of a worker says: the newest entry of each job.
struct JournalMemory {
  /// The jobs with something left to do.
  private(set) var jobs: [JobID: (entry: JournalEntry, payload: [UInt8])] = [:]
  /// The jobs that are done, with the time in milliseconds since 1970.
  private(set) var done: [JobID: Int64] = [:]

  /// How long a done job is remembered: longer than the broker keeps its claim
  /// (`EngineSettings.recordAge`), so that no worker starts it again. In milliseconds.
  static let memory: Int64 = 15 * 86_400 * 1_000
  /// The most done jobs that are remembered; each takes some 40 bytes.
  static let maxDone = 1_000_000

  /// Takes an entry.
  mutating func apply(_ line: JournalLine) {
    switch line.entry {
    case .claiming: jobs[line.job] = (line.entry, line.payload)
    case .starting, .releasing, .ended:
      jobs[line.job] = (line.entry, jobs[line.job]?.payload ?? line.payload)
    case .done:
      jobs[line.job] = nil
      done[line.job] = line.time
    case .dropped: jobs[line.job] = nil
    }
  }

  /// Takes the entries of a file from `start` on, up to the first one that can't be read.
  mutating func load(_ bytes: [UInt8], from start: Int) {
    var position = start
    while let (line, next) = JournalLine.decode(bytes, at: position) {
      apply(line)
      position = next
    }
  }

  /// Forgets done jobs that are old or too many.
  mutating func prune(now: Int64) {
    done = done.filter { now - $0.value < Self.memory }
    guard done.count > Self.maxDone else { return }
    for (job, _) in done.sorted(by: { $0.value < $1.value }).prefix(done.count - Self.maxDone) {
      done[job] = nil
    }
  }

  /// The entries that make the same memory.
  var lines: [JournalLine] {
    var lines = done.map { JournalLine($0.key, .done, [], $0.value) }
    for (job, value) in jobs { lines.append(JournalLine(job, value.entry, value.payload, 0)) }
    return lines
  }
}

/// An entry of a journal's file.
struct JournalLine: Sendable {
  let job: JobID
  let entry: JournalEntry
  /// The payload of the job; empty if it is done or dropped.
  let payload: [UInt8]
  /// In milliseconds since 1970.
  let time: Int64
  /// The bytes in the file.
  let encoded: [UInt8]

  var mustBeFlushed: Bool { entry.mustBeFlushed }

  /// The lengths of the parts before the text.
  private static let lengthBytes = 4
  private static let digestBytes = 8
  /// The longest text in bytes: that of the longest payload, in base64, and of a final record.
  private static let maxText = 1 << 20

  private struct Form: Codable {
    var id: String
    var state: String
    var attempt: Int?
    var expected: UInt64?
    var reason: String?
    var final: FinalRecord?
    var payload: String?
    var time: Int64
  }

  init(_ job: JobID, _ entry: JournalEntry, _ payload: [UInt8], _ time: Int64) {
    self.job = job
    self.entry = entry
    self.payload = payload
    self.time = time
    var form = Form(id: job.description, state: "done", time: time)
    switch entry {
    case .claiming(let attempt):
      form.state = "claiming"
      (form.attempt, form.expected) = (attempt.attempt, attempt.expected?.number)
    case .starting(let attempt): (form.state, form.attempt) = ("starting", attempt)
    case .releasing(let attempt, let reason):
      (form.state, form.attempt) = ("releasing", attempt)
      form.reason = String(reason.prefix(FleetLimits.maxReasonLength))
    case .ended(let final): (form.state, form.final) = ("ended", final)
    case .done: break
    case .dropped: form.state = "dropped"
    }
    switch entry {
    case .claiming, .starting, .releasing, .ended: form.payload = Base64.encode(payload)
    case .done, .dropped: break
    }
    let text = FleetCoding.encode(form)
    precondition(text.count <= Self.maxText, "a payload has a limit")
    let length = (0..<Self.lengthBytes).map {
      UInt8(truncatingIfNeeded: text.count >> (24 - 8 * $0))
    }
    encoded = length + KeyDigest.sha256(text).prefix(Self.digestBytes) + text
  }

  /// The entry at a position, and the position after it; nil if there is none that is complete.
  static func decode(_ bytes: [UInt8], at position: Int) -> (JournalLine, next: Int)? {
    let start = position + lengthBytes + digestBytes
    guard start <= bytes.count else { return nil }
    let length = bytes[position..<position + lengthBytes].reduce(0) { $0 << 8 | Int($1) }
    guard length <= maxText, start + length <= bytes.count else { return nil }
    let text = Array(bytes[start..<start + length])
    guard
      bytes[(position + lengthBytes)..<start].elementsEqual(
        KeyDigest.sha256(text).prefix(digestBytes)),
      let form = try? FleetCoding.decode(Form.self, text), let job = JobID(form.id)
    else { return nil }
    let entry: JournalEntry
    switch (form.state, form.attempt, form.final) {
    case ("claiming", let attempt?, nil):
      entry = .claiming(
        ClaimAttempt(attempt: attempt, expected: form.expected.map(Revision.init)))
    case ("starting", let attempt?, nil): entry = .starting(attempt: attempt)
    case ("releasing", let attempt?, nil):
      entry = .releasing(attempt: attempt, form.reason ?? "")
    case ("ended", nil, let final?): entry = .ended(final)
    case ("done", nil, nil): entry = .done
    case ("dropped", nil, nil): entry = .dropped
    default: return nil
    }
    let payload = form.payload.map(Base64.decode) ?? []
    guard let payload else { return nil }
    return (JournalLine(job, entry, payload, form.time), start + length)
  }
}
