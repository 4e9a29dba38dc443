import TelpherClient
import TelpherTestSupport
import Testing

extension Connection {
  /// Returns when `command` has ended and its drain is over. Its drain must not be longer than
  /// `drain`.
  nonisolated func outlastDrain(of command: EndedCommand, _ drain: Duration) async throws {
    var waiter = Command(shell: command.waiter)
    waiter.drain = drain
    let result = try await run(waiter).result
    #expect(result.status == .exited(0))
  }
}
