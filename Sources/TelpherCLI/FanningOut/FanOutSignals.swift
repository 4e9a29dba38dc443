internal import Glibc
internal import TelpherClient

/// Watches the signals that end a fan-out. The first cancels the work on all hosts; the second ends
/// the process, and the servers then end what runs.
final class FanOutSignals: Sendable {
  private let first = Monitor<Int32?>(nil)

  /// The first signal; nil if none has come.
  var received: Int32? { first.withLock { $0 } }

  /// Watches the signals from now on until the process ends.
  static func watch(_ engine: FanOutEngine) -> FanOutSignals {
    let signals = FanOutSignals()
    let loop = engine.loop
    loop.execute {
      let requests = EndRequests()
      // Signals that are ignored stay so, as under nohup(1). The loop keeps the watches until the
      // process ends.
      for number in ForwardedSignals.ending where !ForwardedSignals.isIgnored(number) {
        _ = try? loop.watch(signal: number) {
          switch requests.receive(number, at: loop.now) {
          case .pass:
            signals.first.withLock { $0 = number }
            engine.assumeIsolated { $0.stop() }
          case .drop: break
          case .giveUp:
            Descriptor.complain(
              "ended by a second signal; the servers end what runs, and its results are unknown")
            _exit(ExitStatus.signalBase + number)
          }
        }
      }
    }
    return signals
  }
}
