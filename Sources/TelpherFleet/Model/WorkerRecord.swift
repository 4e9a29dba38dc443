/// What a worker announces about itself. The times of a worker are not in it: the broker's clock says
/// how old an announcement is.
package struct WorkerRecord: Sendable, Equatable, Codable {
  /// The id of its journal.
  package var journal: String
  /// The groups whose queues it serves.
  package var groups: [String]
  /// How many jobs it runs at the same time.
  package var slots: Int
  /// How many run now.
  package var busy: Int
  /// Whether it takes no more jobs.
  package var isDraining: Bool
  /// An address at which the output of its jobs can be read; nil for none.
  package var address: String?
  /// The version of its program.
  package var version: String

  private enum CodingKeys: String, CodingKey {
    case journal, groups, slots, busy, address, version
    case isDraining = "draining"
  }

  /// An announcement.
  package init(
    journal: JobID, groups: [FleetName], slots: Int, busy: Int, isDraining: Bool,
    address: String?, version: String
  ) {
    self.journal = journal.description
    self.groups = groups.map(\.description)
    self.slots = slots
    self.busy = busy
    self.isDraining = isDraining
    self.address = address
    self.version = version
  }

  /// The payload of the announcement.
  package var payload: [UInt8] { FleetCoding.encode(self) }

  /// Reads an announcement; nil if it is none.
  package init?(payload: [UInt8]) {
    guard payload.count <= FleetLimits.maxMessageLength,
      let record = try? FleetCoding.decode(WorkerRecord.self, payload)
    else { return nil }
    self = record
  }
}
