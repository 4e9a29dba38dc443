internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// The signals to this process that are meant for its command.
struct ForwardedSignals {
  /// They come as they arrived.
  let numbers: AsyncStream<Int32>

  private static let forwarded = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

  /// Takes the signals from now on, for the rest of the process's life.
  static func watch(on loop: any EventLoop) -> ForwardedSignals {
    let (numbers, continuation) = AsyncStream.makeStream(of: Int32.self)
    // What is ignored stays so: nohup(1), and a shell's background jobs.
    let wanted = forwarded.filter { !isIgnored($0) }
    loop.execute {
      // The loop keeps an active watch; the process ends with it.
      for number in wanted {
        _ = try? loop.watch(signal: number) { continuation.yield(number) }
      }
    }
    return ForwardedSignals(numbers: numbers)
  }

  /// Sends each signal on to `command`, until this task is canceled; a second interrupt cancels it.
  ///
  /// - Returns: whether there was a second interrupt.
  func forward(to command: RunningCommand) async -> Bool {
    var interrupts = 0
    for await number in numbers {
      if number == SIGINT { interrupts += 1 }
      if number == SIGINT && interrupts > 1 {
        await command.cancel()
      } else {
        await command.signal(number)
      }
    }
    return interrupts > 1
  }

  /// Whether whoever started this process had it ignore a signal.
  static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return false }
    // SIG_IGN is the pointer 1.
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }
}
