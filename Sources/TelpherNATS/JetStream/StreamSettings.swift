/// The settings of a stream that Telpher chooses. A server adds further ones, which are not compared.
package struct StreamSettings: Sendable, Equatable {
  /// What is kept.
  package enum Retention: String, Sendable, Codable {
    /// Everything within the limits.
    case limits
    /// Until a consumer has acknowledged it; each subject has one consumer.
    case workqueue
  }

  /// What happens to a message for which there is no room.
  package enum Discard: String, Sendable, Codable {
    /// It is refused.
    case new
    /// The oldest make room for it.
    case old
  }

  /// The stream's name.
  package var name: String
  /// The subjects whose messages it stores.
  package var subjects: [String]
  /// What it keeps.
  package var retention = Retention.limits
  /// What happens at its limits.
  package var discard = Discard.old
  /// How many servers store it: 1, 3 or 5.
  package var replicas = 1
  /// The age at which messages are removed, in nanoseconds; 0 for never.
  package var maxAge: UInt64 = 0
  /// The most messages of one subject; -1 for no limit.
  package var maxMessagesPerSubject = -1
  /// How long an id of a message is remembered, in nanoseconds.
  package var duplicateWindow: UInt64 = 120_000_000_000
  /// Whether all its servers answer reads.
  package var allowDirect = false
  /// Whether a message may have an age limit of its own.
  package var allowMessageTTL = false
  /// For how long a message is stored that marks the removal of another one by its age, in nanoseconds;
  /// 0 for no such message.
  package var deleteMarkerTTL: UInt64 = 0
  /// Values that a program keeps with the stream. A server adds others, which are not compared.
  package var metadata: [String: String] = [:]

  /// Where each message is published again after it was stored; nil for nowhere.
  package var announcement: Announcement?

  /// That messages are published again.
  package struct Announcement: Sendable, Equatable, Codable {
    /// Which of the stream's subjects.
    package var source: String
    /// The subjects of what is published.
    package var destination: String
    /// Whether the headers alone are published.
    package var isHeadersOnly = true

    /// Announcements.
    package init(_ source: String, as destination: String) {
      (self.source, self.destination) = (source, destination)
    }

    fileprivate static func text(_ value: Announcement?) -> String {
      value.map { "\($0.source) as \($0.destination)\($0.isHeadersOnly ? "" : " with bytes")" }
        ?? "nothing"
    }

    private enum CodingKeys: String, CodingKey {
      case source = "src"
      case destination = "dest"
      case isHeadersOnly = "headers_only"
    }

    package init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      source = try values.decodeIfPresent(String.self, forKey: .source) ?? ">"
      destination = try values.decode(String.self, forKey: .destination)
      isHeadersOnly = try values.decodeIfPresent(Bool.self, forKey: .isHeadersOnly) ?? false
    }
  }

  /// Settings with the servers' defaults.
  package init(name: String, subjects: [String]) {
    self.name = name
    self.subjects = subjects
  }

  /// The names of the settings in which `other` differs.
  package func differences(from other: StreamSettings) -> [String] {
    var names: [String] = []
    func compare<Value: Equatable>(_ name: String, _ a: Value, _ b: Value) {
      if a != b { names.append("\(name) is \(b) instead of \(a)") }
    }
    compare("subjects", subjects, other.subjects)
    compare("retention", retention, other.retention)
    compare("discard", discard, other.discard)
    compare("num_replicas", replicas, other.replicas)
    compare("max_age", maxAge, other.maxAge)
    compare("max_msgs_per_subject", maxMessagesPerSubject, other.maxMessagesPerSubject)
    compare("duplicate_window", duplicateWindow, other.duplicateWindow)
    compare("allow_direct", allowDirect, other.allowDirect)
    compare("allow_msg_ttl", allowMessageTTL, other.allowMessageTTL)
    compare("subject_delete_marker_ttl", deleteMarkerTTL, other.deleteMarkerTTL)
    compare("republish", Announcement.text(announcement), Announcement.text(other.announcement))
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      compare("metadata \(key)", value, other.metadata[key] ?? "missing")
    }
    return names
  }
}

extension StreamSettings: Codable {
  private enum CodingKeys: String, CodingKey {
    case name, subjects, retention, discard, storage, metadata
    case replicas = "num_replicas"
    case maxAge = "max_age"
    case maxMessagesPerSubject = "max_msgs_per_subject"
    case duplicateWindow = "duplicate_window"
    case allowDirect = "allow_direct"
    case allowMessageTTL = "allow_msg_ttl"
    case deleteMarkerTTL = "subject_delete_marker_ttl"
    case allowRollup = "allow_rollup_hdrs"
    case announcement = "republish"
  }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      name: try values.decode(String.self, forKey: .name),
      subjects: try values.decodeIfPresent([String].self, forKey: .subjects) ?? [])
    retention = try values.decodeIfPresent(Retention.self, forKey: .retention) ?? .limits
    discard = try values.decodeIfPresent(Discard.self, forKey: .discard) ?? .old
    replicas = try values.decodeIfPresent(Int.self, forKey: .replicas) ?? 1
    maxAge = try values.decodeIfPresent(UInt64.self, forKey: .maxAge) ?? 0
    maxMessagesPerSubject =
      try values.decodeIfPresent(Int.self, forKey: .maxMessagesPerSubject) ?? -1
    duplicateWindow = try values.decodeIfPresent(UInt64.self, forKey: .duplicateWindow) ?? 0
    allowDirect = try values.decodeIfPresent(Bool.self, forKey: .allowDirect) ?? false
    allowMessageTTL = try values.decodeIfPresent(Bool.self, forKey: .allowMessageTTL) ?? false
    deleteMarkerTTL = try values.decodeIfPresent(UInt64.self, forKey: .deleteMarkerTTL) ?? 0
    metadata = try values.decodeIfPresent([String: String].self, forKey: .metadata) ?? [:]
    announcement = try values.decodeIfPresent(Announcement.self, forKey: .announcement)
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(name, forKey: .name)
    try values.encode(subjects, forKey: .subjects)
    try values.encode(retention, forKey: .retention)
    try values.encode(discard, forKey: .discard)
    try values.encode("file", forKey: .storage)
    try values.encode(replicas, forKey: .replicas)
    try values.encode(maxAge, forKey: .maxAge)
    try values.encode(maxMessagesPerSubject, forKey: .maxMessagesPerSubject)
    try values.encode(duplicateWindow, forKey: .duplicateWindow)
    try values.encode(allowDirect, forKey: .allowDirect)
    if !metadata.isEmpty { try values.encode(metadata, forKey: .metadata) }
    if let announcement { try values.encode(announcement, forKey: .announcement) }
    if allowMessageTTL { try values.encode(true, forKey: .allowMessageTTL) }
    if deleteMarkerTTL > 0 {
      try values.encode(deleteMarkerTTL, forKey: .deleteMarkerTTL)
      // A marker replaces what was there.
      try values.encode(true, forKey: .allowRollup)
    }
  }
}
