internal import Glibc
internal import TelpherTransport

/// Watches the signals that stop a transfer. The first cancels it. The second ends the process, and
/// so does a timer if the canceled transfer does not end: the server may not answer.
///
/// `@unchecked Sendable`: `watches`, `limit` and `count` are used only on the loop's thread.
final class InterruptWatch: @unchecked Sendable {
  private static let signals = [SIGINT, SIGTERM, SIGHUP]
  /// How long a canceled transfer has to end in an orderly way, in nanoseconds: enough to flush what
  /// was received, short for a user who waits.
  private static let endTimeout: UInt64 = 2_000_000_000

  private let loop: any EventLoop
  private let numbers: AsyncStream<Int32>
  private let continuation: AsyncStream<Int32>.Continuation
  private var watches: [any SignalWatch] = []
  private var limit: (any LoopTimer)?
  private var count = 0

  /// Watches the signals from now on until `end()`.
  init(on loop: any EventLoop) {
    self.loop = loop
    (numbers, continuation) = AsyncStream.makeStream()
    // Signals that are ignored stay so, as under nohup(1) and in a shell's background jobs.
    let wanted = Self.signals.filter { !ForwardedSignals.isIgnored($0) }
    loop.execute { [self] in
      watches = wanted.compactMap { number in
        try? loop.watch(signal: number) { [self] in didReceive(number) }
      }
    }
  }

  /// Stops watching, and returns when that is done. If the process ended earlier, the loop would
  /// use memory that is already freed.
  func end() async {
    await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
      loop.execute { [self] in
        limit?.cancel()
        watches.forEach { $0.cancel() }
        watches = []
        done.resume()
      }
    }
  }

  /// Waits for the first signal; nil if the task is canceled before.
  func first() async -> Int32? {
    var iterator = numbers.makeAsyncIterator()
    return await iterator.next()
  }

  private func didReceive(_ number: Int32) {
    count += 1
    // After a second signal the user no longer wants to wait for an orderly end.
    if count > 1 { _exit(ExitStatus.signalBase + number) }
    limit = loop.schedule(after: Self.endTimeout) {
      Descriptor.complain("interrupted; the server does not answer")
      _exit(ExitStatus.signalBase + number)
    }
    continuation.yield(number)
  }
}
