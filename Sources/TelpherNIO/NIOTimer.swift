internal import NIOCore
internal import TelpherTransport

/// A one-shot timer over NIO's scheduled callbacks.
///
/// `@unchecked Sendable`, which NIO asks for: used only on the loop's thread.
final class NIOTimer: LoopTimer, NIOScheduledCallbackHandler, @unchecked Sendable {
  private let loop: NIOLoop
  private var fire: (() -> Void)?
  private var scheduled: NIOScheduledCallback?

  /// Starts a timer. If the loop has ended, it never fires.
  init(loop: NIOLoop, after nanoseconds: UInt64, _ fire: @escaping () -> Void) {
    self.loop = loop
    guard !loop.isClosing else { return }
    self.fire = fire
    // At most a hundred years: NIO's clock overflows with longer delays.
    let delay = Int64(min(nanoseconds, 100 * 365 * 86_400 * 1_000_000_000))
    scheduled = try? loop.eventLoop.scheduleCallback(
      at: .now() + .nanoseconds(delay), handler: self)
  }

  func cancel() {
    loop.preconditionIsCurrent()
    guard fire != nil else { return }
    fire = nil
    scheduled?.cancel()
    scheduled = nil
  }

  func handleScheduledCallback(eventLoop: some NIOCore.EventLoop) {
    let fire = self.fire
    self.fire = nil
    scheduled = nil
    fire?()
  }

  func didCancelScheduledCallback(eventLoop: some NIOCore.EventLoop) {
    fire = nil
    scheduled = nil
  }
}
