/// The settings of a durable consumer from which messages are pulled and acknowledged one by one.
package struct ConsumerSettings: Sendable, Equatable {
  /// Its name.
  package var name: String
  /// The subjects of which it delivers messages.
  package var filter: String
  /// After how long without an answer of its receiver a message is delivered again, in nanoseconds.
  package var ackWait: UInt64 = 30_000_000_000
  /// How many pulls may wait at once.
  package var maxWaiting = 512

  /// Settings.
  package init(name: String, filter: String) {
    self.name = name
    self.filter = filter
  }
}

extension ConsumerSettings: Codable {
  private enum CodingKeys: String, CodingKey {
    case name
    case filter = "filter_subject"
    case ackWait = "ack_wait"
    case maxWaiting = "max_waiting"
    case durable = "durable_name"
    case ackPolicy = "ack_policy"
    case deliverPolicy = "deliver_policy"
    case replayPolicy = "replay_policy"
    case maxDeliver = "max_deliver"
    case maxAckPending = "max_ack_pending"
  }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      name: try values.decodeIfPresent(String.self, forKey: .durable)
        ?? values.decode(String.self, forKey: .name),
      filter: try values.decodeIfPresent(String.self, forKey: .filter) ?? "")
    ackWait = try values.decodeIfPresent(UInt64.self, forKey: .ackWait) ?? 0
    maxWaiting = try values.decodeIfPresent(Int.self, forKey: .maxWaiting) ?? 0
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(name, forKey: .name)
    try values.encode(name, forKey: .durable)
    try values.encode(filter, forKey: .filter)
    try values.encode(ackWait, forKey: .ackWait)
    try values.encode(maxWaiting, forKey: .maxWaiting)
    try values.encode("explicit", forKey: .ackPolicy)
    try values.encode("all", forKey: .deliverPolicy)
    try values.encode("instant", forKey: .replayPolicy)
    // Attempts are counted elsewhere; a message never ends only because it was delivered often.
    try values.encode(-1, forKey: .maxDeliver)
    try values.encode(-1, forKey: .maxAckPending)
  }
}
