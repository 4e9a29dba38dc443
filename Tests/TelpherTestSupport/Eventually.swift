/// What a test waited for did not come.
public struct NotInTime: Error, CustomStringConvertible {
  /// What it was, and how long it was waited for.
  public let description: String
}

/// Looks again and again until `condition` holds: for what another process or thread is to bring
/// about, of which there is no event.
///
/// - Throws: `NotInTime` where it does not hold within `limit`, far longer than it takes; what
///   `condition` throws.
public func eventually(
  within limit: Duration = .seconds(300), _ what: String, _ condition: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now + limit
  while try await !condition() {
    guard ContinuousClock.now < end else {
      throw NotInTime(description: "not within \(limit): \(what)")
    }
    try await Task.sleep(for: .milliseconds(5))
  }
}
