internal import TelpherLink
internal import TelpherTransport

/// Watches a command's deadline on the client. The server ends the command at its deadline; the
/// watch ends the client's waiting if the server does not answer any more. Use it only on the
/// loop's thread.
///
/// As long as the server answers PINGs, the client waits: the server may wait for the command's grace
/// to end, or may have output to send to a client that reads slowly.
final class DeadlineWatch {
  private let link: Link
  /// How long the server may be silent after a PING at the deadline, in nanoseconds.
  private let margin: UInt64
  private let didExpire: () -> Void
  private var timer: (any LoopTimer)?

  init(link: Link, deadline: Duration, margin: Duration, didExpire: @escaping () -> Void) {
    self.link = link
    self.margin = Self.nanoseconds(margin)
    self.didExpire = didExpire
    timer = link.loop.schedule(after: Self.nanoseconds(deadline)) { [weak self] in self?.ask() }
  }

  private static func nanoseconds(_ duration: Duration) -> UInt64 {
    UInt64(max(0, duration.wholeMilliseconds)) * 1_000_000
  }

  func cancel() {
    timer?.cancel()
    timer = nil
  }

  private func ask() {
    let askedAt = link.loop.now
    link.sendKeepalive()
    timer = link.loop.schedule(after: margin) { [weak self] in
      guard let self else { return }
      if link.lastHeard > askedAt { ask() } else { didExpire() }
    }
  }
}
