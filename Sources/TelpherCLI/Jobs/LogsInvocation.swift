internal import Glibc
internal import TelpherClient
internal import TelpherTransport
internal import TelpherWire

/// Prints the output of a durable job.
struct LogsInvocation {
  let server: ServerSettings
  /// What to print; its operation is `attach`.
  let request: JobRequest

  /// Prints the output, and what is missing of it on standard error.
  ///
  /// - Throws: `Failure` if not all of it could be printed, unless the journal has dropped it on purpose;
  ///   if its reader has gone; or if the job's end was not seen.
  func run() async throws(Failure) {
    let lost = Monitor<UInt64>(0)
    do {
      let reached = try await ServerReach(settings: server).connect(embeddedServer: .allowed)
      let connection = reached.connection
      let (output, error) = (DescriptorSink(.output), DescriptorSink(.error))
      let request = request
      try await withTaskExecutorPreference(connection.loop) {
        _ = try await connection.attach(
          request,
          didFindGap: { gap in
            GapMessage.report(gap)
            if gap.reason != GapMessage.onPurpose { lost.withLock { $0 += gap.bytes } }
          }
        ) { handle in
          if request.times == true {
            try await TimedOutputs.pass(of: handle, to: output, error)
          } else {
            async let rest: Void = Self.pass(handle.error, to: error)
            try await Self.pass(handle.output, to: output)
            try await rest
          }
        }
      }
      guard await output.isOpen else { throw Failure.noReader }
    } catch {
      throw Failure(error)
    }
    let missing = lost.withLock { $0 }
    if missing > 0 { throw Failure("\(missing) bytes of the job's output are lost") }
  }

  /// Whether the server knows the job, which the request names by its whole id.
  ///
  /// - Throws: `Failure` if the server can't be reached or lists no jobs.
  func isKnown() async throws(Failure) -> Bool {
    do {
      let connection = try await ServerReach(settings: server).connect(embeddedServer: .allowed)
        .connection
      let isListed = try await connection.jobRecords().contains { $0.id == request.job }
      // A worker behind a hub does not list its jobs for its clients, but lets them read one.
      let isKnown = isListed ? true : await canRead(over: connection)
      await connection.close()
      return isKnown
    } catch {
      throw Failure(error)
    }
  }

  /// Whether the server sends output of the job; none of it is wanted now.
  private func canRead(over connection: Connection) async -> Bool {
    var probe = JobRequest(.attach, job: request.job)
    (probe.tail, probe.follow) = (0, false)
    do {
      _ = try await connection.attach(probe, didFindGap: { _ in }) { handle in
        for try await _ in handle.output {}
        for try await _ in handle.error {}
      }
      return true
    } catch {
      return false
    }
  }

  private static func pass(_ output: CommandOutput, to sink: DescriptorSink) async throws {
    for try await chunk in output where try await !sink.write(chunk) {
      // The reader of the output has closed it, as in `telpher logs | head`.
      await output.stop()
    }
  }
}

/// Puts the time before each line of an output: that at which the line's first byte was read from the
/// command.
struct TimestampedLines {
  private var isAtStart = true

  /// Returns `bytes`, which were read at `time` (nanoseconds since 1970), with the time before each
  /// line that begins in them.
  mutating func mark(_ bytes: UnsafeRawBufferPointer, at time: Int64) -> [UInt8] {
    let prefix = Array((Self.text(of: time) + " ").utf8)
    var marked: [UInt8] = []
    marked.reserveCapacity(bytes.count + prefix.count)
    var rest = bytes[...]
    while !rest.isEmpty {
      if isAtStart { marked += prefix }
      let end = rest.firstIndex(of: UInt8(ascii: "\n"))
      marked += rest[..<(end.map { $0 + 1 } ?? rest.endIndex)]
      isAtStart = end != nil
      rest = rest[(end.map { $0 + 1 } ?? rest.endIndex)...]
    }
    return marked
  }

  /// A time in UTC with nanoseconds, as in RFC 3339: `2026-01-31T23:59:59.000000001Z`.
  static func text(of time: Int64) -> String {
    let (quotient, remainder) = time.quotientAndRemainder(dividingBy: 1_000_000_000)
    // A time before 1970.
    var seconds = time_t(remainder < 0 ? quotient - 1 : quotient)
    let nanoseconds = remainder < 0 ? remainder + 1_000_000_000 : remainder
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func digits(_ number: some BinaryInteger, _ count: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, count - text.count)) + text
    }
    let day =
      "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
    let clock =
      "\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2))"
    return "\(day)T\(clock).\(digits(nanoseconds, 9))Z"
  }
}

/// What the user reads about output that a job's journal does not have.
enum GapMessage {
  /// The reason of a gap that the limit of the journal asks for.
  static let onPurpose = "dropped"

  /// Prints a line about missing output on standard error.
  @Sendable static func report(_ gap: JobMark.Gap) {
    Descriptor.complain(text(gap))
  }

  /// The line.
  static func text(_ gap: JobMark.Gap) -> String {
    let name = gap.channel == Channel.stdout.rawValue ? "standard output" : "standard error"
    let reason =
      switch gap.reason {
      case onPurpose: "the journal was full"
      case "discarded": "the job was ended while its journal was full"
      case "not_written": "they could not be written to the journal"
      default: "the journal is damaged"
      }
    return "\(gap.bytes) bytes of \(name) are missing from byte \(gap.offset) on: \(reason)"
  }
}
