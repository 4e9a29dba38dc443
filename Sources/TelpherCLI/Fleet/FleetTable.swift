internal import TelpherFleet
internal import TelpherText

/// A table of texts with a header, for a terminal or a file.
struct FleetTable: Equatable {
  let header: [String]
  let rows: [[String]]

  /// The lines; only the header if there are no rows.
  var text: String {
    let all = [header] + rows
    let widths = header.indices.map { column in all.map { Columns.count($0[column]) }.max() ?? 0 }
    return all.map { row in
      row.indices.map { column in
        column == row.count - 1 ? row[column] : Columns.padded(row[column], to: widths[column])
      }.joined(separator: "  ") + "\n"
    }.joined()
  }

  /// The workers of a fleet.
  static func workers(_ entries: [WorkerEntry]) -> FleetTable {
    FleetTable(
      header: ["WORKER", "STATE", "SLOTS", "BUSY", "SEEN", "VERSION", "GROUPS"],
      rows: entries.map { entry in
        let age = Amount.elapsed(max(0, entry.age / .seconds(1)))
        guard let record = WorkerRecord(payload: entry.payload) else {
          return [entry.worker.description, "unreadable", "-", "-", age, "-", "-"]
        }
        let groups = record.groups.isEmpty ? "-" : record.groups.joined(separator: ",")
        return [
          entry.worker.description, record.isDraining ? "draining" : "ready", "\(record.slots)",
          "\(record.busy)", age, ShownText.escaped(record.version), ShownText.escaped(groups),
        ]
      })
  }

  /// The queues of a fleet.
  static func queues(_ queues: [QueueInfo]) -> FleetTable {
    FleetTable(
      header: ["QUEUE", "WAITING", "TAKEN"],
      rows: queues.map { [$0.name.description, "\($0.waiting)", "\($0.taken)"] })
  }

  /// Jobs.
  static func jobs(_ jobs: [FleetClient.Status]) -> FleetTable {
    FleetTable(
      header: ["JOB", "STATE", "QUEUE", "WORKER", "ATTEMPT", "COMMAND"],
      rows: jobs.map { status in
        [
          status.id.description, FleetOutcome.state(of: status),
          status.queue.description, status.worker?.description ?? "-",
          status.attempt == 0 ? "-" : "\(status.attempt)",
          status.command.map { Columns.shortened($0, to: 60) } ?? "-",
        ]
      })
  }
}
