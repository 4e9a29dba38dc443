/// A number of entries of each kind.
public struct EntryCounts: Sendable, Equatable, Codable {
  /// Regular files.
  public var files = 0
  /// Folders.
  public var folders = 0
  /// Symbolic links.
  public var links = 0

  /// No entries.
  public init() {}

  /// The sum of all kinds.
  public var total: Int { files + folders + links }
}

/// The number of entries that the sender of a tree has announced. The receiver compares it with
/// what arrived. It is the sender's last record about entries.
package struct TreeAnnouncement: Sendable, Equatable, Codable {
  /// The announced entries. Each has a number.
  package var entries = EntryCounts()
  /// Things that the sender could not announce: what it could not read, and what is never
  /// transferred.
  package var unsent = 0

  /// No entries.
  package init() {}
}

/// The outcome of the entries of a tree, as the receiver counts them. Each announced entry counts
/// exactly once: as stored, skipped or failed.
public struct TreeCounts: Sendable, Equatable, Codable {
  /// Entries that are in place: stored files and links, and folders that were created or existed.
  public var storedEntries = EntryCounts()
  /// Entries that were left as they are: unchanged ones, and ones that existed with `if_exists`
  /// `skip`.
  public var skippedEntries = EntryCounts()
  /// Announced entries that could not be sent or stored.
  public var failedEntries = EntryCounts()
  /// Things that the sender could not announce.
  public var unsent = 0
  /// The bytes of stored files that were transferred.
  public var bytes: Int64 = 0
  /// The number of stored files that changed while the sender read them: see `FileChange`.
  public var changed = 0

  /// All counts at 0.
  public init() {}

  /// The number of stored files.
  public var files: Int { storedEntries.files }
  /// The number of folders that were created or existed.
  public var folders: Int { storedEntries.folders }
  /// The number of links that were created or existed.
  public var links: Int { storedEntries.links }
  /// Entries that were left as they are.
  public var skipped: Int { skippedEntries.total }
  /// The number of entries and other things that could not be sent or stored.
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
  /// The destination exists and the request keeps it (`if_exists` `skip`).
  case exists
  /// The new file's modification time is not later, and the request then keeps the old one
  /// (`if_exists` `newer`).
  case notNewer = "not_newer"
}
