internal import TelpherLink
internal import TelpherTransport

/// Watches a command's deadline on the client. The server ends the command at its deadline; the
/// watch ends the client's waiting if the server does not answer any more. Use it only on the
/// loop's thread.
///
/// As long as the server answers PINGs, the client waits: the server may still have output to send
/// to a client that reads slowly.
final class DeadlineWatch {
  /// How long the server has to answer a PING after the deadline and the grace, in nanoseconds:
  /// long enough for a busy server on a slow connection.
  private static let answerTimeout: UInt64 = 10_000_000_000

  private let link: Link
  private let didExpire: () -> Void
  private var timer: (any LoopTimer)?

  init(link: Link, deadline: Duration, grace: Duration, didExpire: @escaping () -> Void) {
    self.link = link
    self.didExpire = didExpire
    let wait = UInt64(max(0, (deadline + grace).wholeMilliseconds)) * 1_000_000
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
