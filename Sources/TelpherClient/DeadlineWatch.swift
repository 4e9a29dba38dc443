internal import TelpherLink
internal import TelpherTransport

/// Watches a command's deadline on the client. The server ends the command at its deadline; the
/// watch ends the client's waiting if the server does not answer any more. Use it only on the
/// loop's thread.
///
/// As long as the server answers PINGs, the client waits: the server may wait for the command's grace
/// to end, or may have output to send to a client that reads slowly.
final class DeadlineWatch {
  /// How long the server may be silent after a PING at the deadline, in nanoseconds. Any byte from
  /// the server counts, so this must only exceed a round trip, even one by satellite (0.7 s).
  private static let answerTimeout: UInt64 = 2_000_000_000

  private let link: Link
  private let didExpire: () -> Void
  private var timer: (any LoopTimer)?

  init(link: Link, deadline: Duration, didExpire: @escaping () -> Void) {
    self.link = link
    self.didExpire = didExpire
    let wait = UInt64(max(0, deadline.wholeMilliseconds)) * 1_000_000
    timer = link.loop.schedule(after: wait) { [weak self] in self?.ask() }
  }

  func cancel() {
    timer?.cancel()
    timer = nil
  }

  private func ask() {
    let askedAt = link.loop.now
    link.sendKeepalive()
    timer = link.loop.schedule(after: Self.answerTimeout) { [weak self] in
      guard let self else { return }
      if link.lastHeard > askedAt { ask() } else { didExpire() }
    }
  }
}
