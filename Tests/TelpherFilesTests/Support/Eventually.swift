import Testing

/// Looks again and again until `condition` holds, and records an issue where it does not in time.
func eventually(_ what: Comment, _ condition: () -> Bool) async throws {
  let end = ContinuousClock.now + .seconds(300)
  while !condition() {
    guard ContinuousClock.now < end else {
      Issue.record("not within 300 s: \(what)")
      return
    }
    try await Task.sleep(for: .milliseconds(5))
  }
}
