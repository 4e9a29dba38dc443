internal import TelpherAccess
internal import TelpherTransport

/// A durable job that counts towards its client's limit while it is on its way to the job host. Use it
/// only on its loop's thread.
final class JobReservation {
  /// How long a job counts after the client has ended the stream without waiting for the host's answer,
  /// in nanoseconds: longer than the host takes to get it.
  private static let longestWay: UInt64 = 1_000_000_000

  private let table: JobTable
  private let owner: Identity
  private let loop: any EventLoop
  /// How many commands of the client ran here at that moment.
  let others: Int
  private var isHeld = true

  /// - Returns: nil if the client has as many commands and jobs as it may.
  init?(
    _ table: JobTable, of owner: Identity, _ limit: JobTable.OwnerLimit, on loop: any EventLoop
  ) {
    guard let others = table.passJob(of: owner, limit) else { return nil }
    self.table = table
    self.owner = owner
    self.loop = loop
    self.others = others
  }

  deinit { release() }

  /// The host has answered.
  func release() {
    guard isHeld else { return }
    isHeld = false
    table.didPassJob(of: owner)
  }

  /// The client is gone, and the job may still be on its way.
  func releaseLater() { _ = loop.schedule(after: Self.longestWay) { self.release() } }
}
