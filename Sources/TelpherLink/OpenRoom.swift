/// The memory budget for long OPENs that are arriving. Each connection can have one at a time, and
/// a server has many connections. Any thread may use it.
package protocol OpenRoom: Sendable {
  /// Reserves `bytes`.
  ///
  /// - Returns: whether the budget had room for them.
  func take(_ bytes: Int) -> Bool
  /// Releases `bytes` that were reserved.
  func giveBack(_ bytes: Int)
}
