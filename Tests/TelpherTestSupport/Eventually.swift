/// The error of `eventually` if the condition does not become true in time.
package struct NotInTime: Error, CustomStringConvertible {
  /// The condition, and how long the test waited for it.
  package let description: String
}

/// Checks `condition` every 5 ms until it is true. For changes by other processes or threads that
/// cause no event.
///
/// - Throws: `NotInTime` if it is not true within `limit`, which is far longer than necessary; any
///   error of `condition`.
package func eventually(
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
