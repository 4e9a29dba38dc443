internal import Glibc
internal import TelpherTransport

/// The signals that stop a transfer: the first is told, the second ends the process.
///
/// `@unchecked Sendable`: `watches` and `count` are touched on the loop's thread only.
final class InterruptWatch: @unchecked Sendable {
  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  private let loop: any EventLoop
  private let numbers: AsyncStream<Int32>
  private let continuation: AsyncStream<Int32>.Continuation
  private var watches: [any SignalWatch] = []
  private var count = 0

  /// Takes the signals from now on, until `end()`.
  init(on loop: any EventLoop) {
    self.loop = loop
    (numbers, continuation) = AsyncStream.makeStream()
    // What is ignored stays so: nohup(1), and a shell's background jobs.
    let wanted = Self.signals.filter { !ForwardedSignals.isIgnored($0) }
    loop.execute { [self] in
      watches = wanted.compactMap { number in
        try? loop.watch(signal: number) { [self] in didReceive(number) }
      }
    }
  }

  /// Leaves the signals to the system again; returns when that is done, since a process that ends
  /// just then takes from under the loop what it needs for it.
  func end() async {
    await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
      loop.execute { [self] in
        watches.forEach { $0.cancel() }
        watches = []
        done.resume()
      }
    }
  }

  /// The first one, waited for; nil where the task is canceled before it.
  func first() async -> Int32? {
    var iterator = numbers.makeAsyncIterator()
    return await iterator.next()
  }

  private func didReceive(_ number: Int32) {
    count += 1
    // Whoever asks twice has waited long enough for an orderly end.
    if count > 1 { _exit(ExitStatus.signalBase + number) }
    continuation.yield(number)
  }
}
