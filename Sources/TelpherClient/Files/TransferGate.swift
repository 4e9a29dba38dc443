internal import DequeModule
internal import TelpherWire

/// Limits the `put` requests that run at once on a connection to the number that a server accepts
/// (`WireConstants.maxTransfers`). Further ones wait here, first in, first out. Use it only on the
/// connection's loop.
final class TransferGate {
  /// Identifies a request that waits.
  struct Ticket: Equatable { fileprivate let number: Int }

  private var begun = 0
  private var lastTicket = 0
  private var waiting: Deque<(ticket: Ticket, continuation: CheckedContinuation<Bool, Never>)> = []

  /// Begins a request if the limit is not reached.
  ///
  /// - Returns: whether it has begun; otherwise the caller waits with a `ticket()`.
  func tryEnter() -> Bool {
    guard begun < WireConstants.maxTransfers else { return false }
    begun += 1
    return true
  }

  /// Returns a new ticket for `wait`.
  func ticket() -> Ticket {
    lastTicket += 1
    return Ticket(number: lastTicket)
  }

  /// Resumes `continuation` with true when the request may begin, and with false if `giveUp` is
  /// called before.
  func wait(_ ticket: Ticket, _ continuation: CheckedContinuation<Bool, Never>) {
    waiting.append((ticket, continuation))
  }

  /// Stops waiting; no effect if the request has begun.
  func giveUp(_ ticket: Ticket) {
    guard let index = waiting.firstIndex(where: { $0.ticket == ticket }) else { return }
    waiting.remove(at: index).continuation.resume(returning: false)
  }

  /// Ends a request that had begun; the next waiting one begins.
  func leave() {
    guard let next = waiting.popFirst() else {
      begun -= 1
      return
    }
    next.continuation.resume(returning: true)
  }
}

extension Connection {
  /// Waits until a `put` may begin.
  ///
  /// - Throws: `CancellationError` if the task is canceled while it waits.
  func enterPut() async throws {
    guard !transferGate.tryEnter() else { return }
    let ticket = transferGate.ticket()
    let hasBegun = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        transferGate.wait(ticket, continuation)
        // If the task was canceled before it had begun to wait, `onCancel` has not found its
        // ticket.
        if Task.isCancelled { transferGate.giveUp(ticket) }
      }
    } onCancel: {
      loop.execute { self.assumeIsolated { $0.transferGate.giveUp(ticket) } }
    }
    guard hasBegun else { throw CancellationError() }
  }

  /// Ends a `put`; the next one may begin.
  func leavePut() { transferGate.leave() }
}
