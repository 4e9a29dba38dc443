/// How many entries of each kind there are.
public struct EntryCounts: Sendable, Equatable, Codable {
  /// Regular files.
  public var files = 0
  /// Folders.
  public var folders = 0
  /// Symbolic links.
  public var links = 0

  /// None.
  public init() {}

  /// All of them together.
  public var total: Int { files + folders + links }
}

/// How many entries the sender of a tree has announced: the last record that it writes about entries.
/// The receiver compares it with what arrived.
public struct TreeAnnouncement: Sendable, Equatable, Codable {
  /// The entries that have a number.
  public var entries = EntryCounts()
  /// The things that have none, because the sender could not announce them: what it could not read, and
  /// what is never transferred.
  public var unsent = 0

  /// Nothing.
  public init() {}
}

/// What became of the entries of a tree, as its receiver counts them. Each announced entry is counted
/// exactly once: as stored, as skipped or as failed.
public struct TreeCounts: Sendable, Equatable, Codable {
  /// Entries that are in place: files and links that were stored, folders that were made or were there.
  public var storedEntries = EntryCounts()
  /// Entries that were left as they are: unchanged, or there already with `if_exists` `skip`.
  public var skippedEntries = EntryCounts()
  /// Announced entries that could not be sent or stored.
  public var failedEntries = EntryCounts()
  /// Things that the sender could not announce.
  public var unsent = 0
  /// Bytes of the stored files that came over the connection.
  public var bytes: Int64 = 0
  /// Stored files that changed while they were read: see `TreeRecord.Change`.
  public var changed = 0

  /// Nothing yet.
  public init() {}

  /// Files that were stored.
  public var files: Int { storedEntries.files }
  /// Folders that were made, or were there.
  public var folders: Int { storedEntries.folders }
  /// Links that were made, or were there.
  public var links: Int { storedEntries.links }
  /// Entries that were left as they are.
  public var skipped: Int { skippedEntries.total }
  /// What could not be sent or stored.
  public var failed: Int { failedEntries.total + unsent }

  enum CodingKeys: String, CodingKey {
    case unsent, bytes, changed
    case storedEntries = "stored"
    case skippedEntries = "skipped"
    case failedEntries = "failed"
  }
}

/// Why an entry was left as it is at the destination.
public enum SkipReason: String, Sendable, Codable {
  /// The destination has the same size and time, or the same digest.
  case unchanged
  /// There is something at the destination, and the request says that it stays (`if_exists` `skip`).
  case exists
  /// The new one's time is not later, and the request says that the other stays then (`if_exists` `newer`).
  case notNewer = "not_newer"
}
