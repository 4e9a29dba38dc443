internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// The signals to this process that are meant for its command.
struct ForwardedSignals {
  /// They come as they arrived.
  let numbers: AsyncStream<Int32>

  /// Those that ask for an end.
  private static let ending = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]
  /// Those that mean what the command makes of them.
  private static let others = [SIGUSR1, SIGUSR2]

  /// Takes the signals from now on, for the rest of the process's life.
  ///
  /// - Parameter giveUp: called with the second signal that asks for an end, on the loop's thread: the
  ///   server may not answer, and the user does not want to wait for it.
  static func watch(
    on loop: any EventLoop, orGiveUp giveUp: @escaping @Sendable (Int32) -> Never
  ) -> ForwardedSignals {
    let (numbers, continuation) = AsyncStream.makeStream(of: Int32.self)
    loop.execute {
      let requests = EndRequests()
      // What is ignored stays so: nohup(1), and a shell's background jobs. The loop keeps an active
      // watch; the process ends with it.
      for number in ending where !isIgnored(number) {
        _ = try? loop.watch(signal: number) {
          switch requests.receive(number, at: loop.now) {
          case .pass: continuation.yield(number)
          case .drop: break
          case .giveUp: giveUp(number)
          }
        }
      }
      for number in others where !isIgnored(number) {
        _ = try? loop.watch(signal: number) { continuation.yield(number) }
      }
    }
    return ForwardedSignals(numbers: numbers)
  }

  /// Sends each signal on to `command`, until this task is canceled.
  func forward(to command: RunningCommand) async {
    for await number in numbers { await command.signal(number) }
  }

  /// Whether whoever started this process had it ignore a signal.
  static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return false }
    // SIG_IGN is the pointer 1.
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }
}

/// What is done with the signals that ask for an end, in their order.
final class EndRequests {
  /// What is done with one.
  enum Action: Equatable {
    /// The command gets it.
    case pass
    /// It is the one before, delivered twice.
    case drop
    /// This process ends.
    case giveUp
  }

  /// Two of the same signal within this time are one request: timeout(1) sends its signal to the
  /// process and then to the group that the process is in.
  static let oneRequest: UInt64 = 50_000_000

  private var last: (number: Int32, at: UInt64)?

  /// A signal arrived, at `now` on a monotonic clock in nanoseconds.
  func receive(_ number: Int32, at now: UInt64) -> Action {
    defer { last = (number, now) }
    guard let last else { return .pass }
    return last.number == number && now - last.at < Self.oneRequest ? .drop : .giveUp
  }
}
