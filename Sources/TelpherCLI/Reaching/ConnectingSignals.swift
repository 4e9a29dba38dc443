internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// Ends an attempt to connect when a terminating signal arrives. A program such as ssh, which may be
/// at a question on the terminal, then ends before this process does.
enum ConnectingSignals {
  /// The watches, used on the loop's thread.
  private final class Watches: @unchecked Sendable {
    var all: [any SignalWatch] = []
  }

  /// Calls `body` on `loop`'s thread, in a task that the first signal cancels.
  ///
  /// - Parameter arm: gets a function that cancels the task too.
  /// - Throws: what `body` throws; after a signal, when `body` is over, `ClientError`
  ///   (`interrupted`).
  static func interruptible<Value: Sendable>(
    on loop: any EventLoop, alsoBy arm: (@escaping @Sendable () -> Void) -> Void = { _ in },
    _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    let received = Monitor<Int32?>(nil)
    let task = Task(executorPreference: loop) { try await body() }
    arm { task.cancel() }
    let watches = Watches()
    loop.execute {
      for number in ForwardedSignals.ending where !ForwardedSignals.isIgnored(number) {
        let watch = try? loop.watch(signal: number) {
          received.withLock { $0 = $0 ?? number }
          task.cancel()
        }
        if let watch { watches.all.append(watch) }
      }
    }
    let result = await task.result
    loop.execute { watches.all.forEach { $0.cancel() } }
    if let number = received.withLock({ $0 }) { throw ClientError(interruptedBy: number) }
    return try result.get()
  }
}
