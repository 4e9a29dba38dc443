internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// The signals that this process receives and forwards to its command.
struct ForwardedSignals {
  /// The signal numbers in the order of arrival.
  let numbers: AsyncStream<Int32>

  /// Why this process ends at once because of a signal.
  enum Reason: Sendable {
    /// The server has not answered yet, and the user does not want to wait for it.
    case unanswered
    /// It is the second request.
    case repeated
    /// The terminal that the command runs on is gone (SIGHUP).
    case hungUp
  }

  /// The signals that normally end a process.
  static let ending = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]
  /// The signals whose meaning the command defines.
  private static let others = [SIGUSR1, SIGUSR2]

  /// Watches the signals from now on until the process ends.
  ///
  /// - Parameters:
  ///   - hasAnswered: whether the server has answered on the connection; called on the loop's
  ///     thread.
  ///   - hasTerminal: whether the command runs on this process's terminal.
  ///   - giveUp: called on the loop's thread with the signal that ends this process.
  static func watch(
    on loop: any EventLoop, hasAnswered: @escaping @Sendable () -> Bool, hasTerminal: Bool,
    orGiveUp giveUp: @escaping @Sendable (Int32, Reason) -> Never
  ) -> ForwardedSignals {
    let (numbers, continuation) = AsyncStream.makeStream(of: Int32.self)
    loop.execute {
      let requests = EndRequests()
      // Signals that are ignored stay so, as under nohup(1) and in a shell's background jobs. The
      // loop keeps the watches until the process ends.
      for number in ending where !isIgnored(number) {
        _ = try? loop.watch(signal: number) {
          switch requests.receive(number, at: loop.now) {
          case .pass where !hasAnswered(): giveUp(number, .unanswered)
          case .pass where hasTerminal && number == SIGHUP: giveUp(number, .hungUp)
          case .pass: continuation.yield(number)
          case .drop: break
          case .giveUp: giveUp(number, hasAnswered() ? .repeated : .unanswered)
          }
        }
      }
      for number in others where !isIgnored(number) {
        _ = try? loop.watch(signal: number) { continuation.yield(number) }
      }
    }
    return ForwardedSignals(numbers: numbers)
  }

  /// Forwards each signal to `command` until this task is canceled.
  func forward(to command: RunningCommand) async {
    for await number in numbers { await command.signal(number) }
  }

  /// Whether this process ignores the signal, because its parent did.
  static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return false }
    // SIG_IGN is the pointer 1.
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }
}

/// Decides what to do with each terminating signal.
final class EndRequests {
  /// What to do with a signal.
  enum Action: Equatable {
    /// Forward it to the command.
    case pass
    /// Ignore it: it is the previous signal, delivered twice.
    case drop
    /// End this process.
    case giveUp
  }

  /// The time in nanoseconds within which two equal signals are one request: timeout(1) sends its
  /// signal to the process and then to its process group.
  static let repeatInterval: UInt64 = 50_000_000

  /// The first signal, which was passed.
  private var first: (number: Int32, at: UInt64)?

  /// Decides about a signal that arrived at `now`, in nanoseconds on a monotonic clock.
  ///
  /// Only the first signal counts for `repeatInterval`, so a key that is held down gives up too.
  func receive(_ number: Int32, at now: UInt64) -> Action {
    guard let first else {
      first = (number, now)
      return .pass
    }
    return first.number == number && now - first.at < Self.repeatInterval ? .drop : .giveUp
  }
}
