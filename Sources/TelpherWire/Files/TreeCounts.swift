/// What became of the entries of a tree, as its receiver counts them.
public struct TreeCounts: Sendable, Equatable, Codable {
  /// Files that were stored.
  public var files = 0
  /// Folders that were made, or were there.
  public var folders = 0
  /// Links that were made, or were there.
  public var links = 0
  /// Files that were left as they are: unchanged, or there already with `if_exists` `skip`.
  public var skipped = 0
  /// Entries that could not be sent or stored.
  public var failed = 0
  /// Bytes of files that came over the connection.
  public var bytes: Int64 = 0

  /// Nothing yet.
  public init() {}
}
