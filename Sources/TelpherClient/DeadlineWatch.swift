internal import TelpherLink
internal import TelpherTransport

/// A command's deadline as the client holds it. The server ends the command; this ends the client's
/// waiting if the server has not answered by then. On the loop only.
///
/// A server that answers is waited for, however long: it may still have output to send to a client
/// that reads slowly.
final class DeadlineWatch {
  /// How long the server has to answer a PING, once the deadline and the grace are over: long enough
  /// for a busy server on a slow line.
  private static let patience: UInt64 = 10_000_000_000

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
    link.ask()
    timer = link.loop.schedule(after: Self.patience) { [weak self] in
      guard let self else { return }
      if link.lastHeard > askedAt { ask() } else { didExpire() }
    }
  }
}
