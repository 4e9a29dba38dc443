import Testing

/// Looks again and again until `condition` holds, and records an issue where it does not in time.
///
/// - Returns: whether it came to hold.
@discardableResult
func eventually(
  within limit: Duration = .seconds(300), _ what: Comment,
  sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws -> Bool {
  let end = ContinuousClock.now + limit
  while true {
    if try await condition() { return true }
    guard ContinuousClock.now < end else { break }
    try await Task.sleep(for: .milliseconds(5))
  }
  Issue.record("not within \(limit): \(what)", sourceLocation: sourceLocation)
  return false
}
