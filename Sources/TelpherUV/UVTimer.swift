internal import CLibUV
internal import TelpherTransport

/// A one-shot timer over uv_timer_t.
final class UVTimer: LoopTimer, HandleOwner {
  private let loop: UVLoop
  private var handle: UnsafeMutablePointer<uv_timer_t>?
  private var fire: (() -> Void)?

  /// Starts a timer. If the loop has ended, it never fires.
  init(loop: UVLoop, after nanoseconds: UInt64, _ fire: @escaping () -> Void) {
    self.loop = loop
    guard !loop.isClosing else { return }
    guard case .success(let handle) = Handle.make({ uv_timer_init(loop.raw, $0) }) else {
      preconditionFailure("uv_timer_init has no way to fail")
    }
    self.handle = handle
    self.fire = fire
    Handle.give(handle, to: self)
    let status = uv_timer_start(handle, timerDidFire, Self.milliseconds(nanoseconds, loop), 0)
    precondition(status == 0, "a timer that is not closing can be started")
  }

  func cancel() {
    loop.preconditionIsCurrent()
    close()
  }

  func close() {
    guard let handle else { return }
    self.handle = nil
    fire = nil
    Handle.close(handle)
  }

  fileprivate func didFire() {
    let fire = self.fire
    close()
    fire?()
  }

  /// The delay for libuv in milliseconds, rounded so that the timer never fires early.
  ///
  /// libuv counts whole milliseconds from the start of the loop's turn, and rounds both down. So
  /// this counts from there to the first whole millisecond after the deadline.
  private static func milliseconds(_ nanoseconds: UInt64, _ loop: UVLoop) -> UInt64 {
    let (deadline, overflow) = loop.now.addingReportingOverflow(nanoseconds)
    let due = (overflow ? .max : deadline).quotientAndRemainder(dividingBy: 1_000_000)
    let milliseconds = due.quotient + (due.remainder > 0 ? 1 : 0)
    let turn = uv_now(loop.raw)
    return milliseconds > turn ? milliseconds - turn : 0
  }
}

private func timerDidFire(_ handle: UnsafeMutablePointer<uv_timer_t>?) {
  Handle.owner(of: handle, as: UVTimer.self).didFire()
}
