internal import Glibc
internal import TelpherTransport

/// Watches the signals that stop a transfer. The first cancels it; the second ends the process.
///
/// `@unchecked Sendable`: `watches` and `count` are used only on the loop's thread.
final class InterruptWatch: @unchecked Sendable {
  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  private let loop: any EventLoop
  private let numbers: AsyncStream<Int32>
  private let continuation: AsyncStream<Int32>.Continuation
  private var watches: [any SignalWatch] = []
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
    continuation.yield(number)
  }
}
