internal import TelpherClient
internal import TelpherText
internal import TelpherWire

/// The table that `telpher jobs` prints.
struct JobList {
  private let jobs: [JobRecord]
  /// The length of the shown beginning of an id: unique unless there are thousands of jobs, and
  /// longer then.
  private static let shortest = 8

  init(_ jobs: [JobRecord]) { self.jobs = jobs }

  /// The table with its header; empty if there are no jobs.
  var text: String {
    guard !jobs.isEmpty else { return "" }
    let length = idLength
    let header = ["ID", "NAME", "STATE", "STARTED", "TIME", "OUTPUT", "MEMORY", "COMMAND"]
    let rows = [header] + jobs.map { row($0, idLength: length) }
    let widths = header.indices.map { column in rows.map { Columns.count($0[column]) }.max() ?? 0 }
    return rows.map { row in
      let cells = row.indices.map { column in
        column == row.count - 1 ? row[column] : Columns.padded(row[column], to: widths[column])
      }
      return cells.joined(separator: "  ") + "\n"
    }.joined()
  }

  private var idLength: Int {
    let ids = jobs.map(\.id)
    return (Self.shortest..<32).first { length in
      Set(ids.map { $0.prefix(length) }).count == ids.count
    } ?? 32
  }

  private func row(_ job: JobRecord, idLength: Int) -> [String] {
    let bytes = (job.bytes ?? [:]).values.reduce(UInt64(0)) { $0 &+ $1 }
    let command = job.argv.map(\.description).joined(separator: " ")
    return [
      // The texts come from the server: escape what could change the terminal.
      ShownText.escaped(String(job.id.prefix(idLength))), ShownText.escaped(job.name ?? "-"),
      ShownText.escaped(state(job)),
      EntryText.localTime(Int128(job.createdMS) * 1_000_000),
      job.runMS.map { Amount.elapsed(Double($0) / 1_000) } ?? "-",
      job.bytes == nil ? "-" : Amount.bytes(Int64(clamping: bytes)),
      job.result?.rusage?.maxRSSKiB.map {
        Amount.bytes($0.multipliedReportingOverflow(by: 1_024).partialValue)
      } ?? "-",
      ShownText.escaped(Columns.shortened(command, to: 60)),
    ]
  }

  private func state(_ job: JobRecord) -> String {
    guard let result = job.result, job.state == .finished else { return job.state.description }
    // A limit, which says more than the signal.
    if let cause = result.cause, [.signaled, .exited].contains(result.result) {
      return cause.description.replacing("_", with: " ")
    }
    switch result.result {
    case .exited: return "exited \(result.code ?? -1)"
    case .signaled: return "signal \(result.signal ?? -1)"
    default: return result.result.description
    }
  }
}
