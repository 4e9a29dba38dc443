/// The memory for long OPENs that are arriving: one connection can have one at a time, and a server
/// has many connections. From any thread.
public protocol OpenRoom: Sendable {
  /// Takes room for `bytes`.
  ///
  /// - Returns: whether there was room.
  func take(_ bytes: Int) -> Bool
  /// Gives back what was taken.
  func giveBack(_ bytes: Int)
}
