internal import DequeModule
internal import TelpherWire

/// Lets only as many puts of a connection begin as a server takes at once (`WireConstants.maxTransfers`);
/// further ones wait for their turn. On the connection's loop only.
final class TransferGate {
  /// Names one that waits.
  struct Ticket: Equatable { fileprivate let number: Int }

  private var begun = 0
  private var lastTicket = 0
  private var waiting: Deque<(ticket: Ticket, continuation: CheckedContinuation<Bool, Never>)> = []

  /// Begins one at once, if none has to wait.
  func tryEnter() -> Bool {
    guard begun < WireConstants.maxTransfers else { return false }
    begun += 1
    return true
  }

  /// What one waits with.
  func ticket() -> Ticket {
    lastTicket += 1
    return Ticket(number: lastTicket)
  }

  /// Resumes `continuation` with true when it is its turn, which has begun then, and with false if
  /// it is given up.
  func wait(_ ticket: Ticket, _ continuation: CheckedContinuation<Bool, Never>) {
    waiting.append((ticket, continuation))
  }

  /// One that waits does so no longer.
  func giveUp(_ ticket: Ticket) {
    guard let index = waiting.firstIndex(where: { $0.ticket == ticket }) else { return }
    waiting.remove(at: index).continuation.resume(returning: false)
  }

  /// One that had begun is over: the next one has its turn.
  func leave() {
    guard let next = waiting.popFirst() else {
      begun -= 1
      return
    }
    next.continuation.resume(returning: true)
  }
}

extension Connection {
  /// Waits until a put may begin.
  ///
  /// - Throws: `CancellationError`.
  func enterPut() async throws {
    guard !transferGate.tryEnter() else { return }
    let ticket = transferGate.ticket()
    let hasBegun = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        transferGate.wait(ticket, continuation)
        // A task that was canceled before has been looked for in vain.
        if Task.isCancelled { transferGate.giveUp(ticket) }
      }
    } onCancel: {
      loop.execute { self.assumeIsolated { $0.transferGate.giveUp(ticket) } }
    }
    guard hasBegun else { throw CancellationError() }
  }

  /// A put is over.
  func leavePut() { transferGate.leave() }
}
