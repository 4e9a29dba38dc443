internal import Glibc
internal import Synchronization
internal import TelpherClient
internal import TelpherTransport
internal import TelpherWire

/// Connects this process's terminal to the terminal of one command: its keys, its size and its
/// suspension. The terminal is in raw mode meanwhile.
struct TerminalRun: Sendable {
  let terminal: LocalTerminal
  /// Ends this process at once because the user typed `~.`.
  let end: @Sendable () -> Never

  /// The most typed bytes that wait until the server takes them. Within this limit escapes work even
  /// if the server does not answer.
  private static let waitingLimit = 64 << 10

  /// What happened to the terminal.
  enum Event: Sendable {
    /// Its size may have changed.
    case resized
    /// The user wants to suspend this process.
    case suspended
  }

  private let events: AsyncStream<Event>
  let report: AsyncStream<Event>.Continuation

  init(_ terminal: LocalTerminal, end: @escaping @Sendable () -> Never) {
    self.terminal = terminal
    self.end = end
    (events, report) = AsyncStream.makeStream(of: Event.self)
  }

  /// Prepares `command` and watches the terminal's signals from now on, until the process ends.
  func prepare(_ command: inout Command, on loop: any EventLoop) {
    loop.execute { [report] in
      let events: [(Int32, Event)] = [
        (SIGWINCH, .resized), (SIGCONT, .resized), (SIGTSTP, .suspended),
      ]
      for (signal, event) in events {
        _ = try? loop.watch(signal: signal) { report.yield(event) }
      }
    }
    command.terminal = terminal.size
    // Without a usable TERM the command gets that of the server.
    let type = Environment.current()["TERM"]
    command.terminalType = type.flatMap { RunRequest.Terminal.isType($0) ? $0 : nil }
  }

  /// Passes the terminal's events to `command` until this task is canceled.
  func follow(_ command: RunningCommand) async { await follow { command } }

  /// Passes the terminal's events to the command that `current` returns then, if any, until this task
  /// is canceled.
  func follow(_ current: @Sendable () -> RunningCommand?) async {
    for await event in events {
      if event == .suspended { terminal.suspend() }
      // A process that continues finds the terminal as the shell left it.
      try? terminal.enterRawMode()
      await current()?.resizeTerminal(to: terminal.size)
    }
  }

  /// Sends what the user types until the terminal ends.
  func forwardKeys(to command: RunningCommand) async throws {
    let source = InputSource()
    let waiting = Waiting()
    var keys = EscapeKeys()
    var last: Task<Void, Never>?
    while let chunk = try await source.read() {
      for action in keys.receive(Array(chunk)) {
        switch action {
        case .end, .detach: end()
        case .help: try? Descriptor.error.write(keys.help)
        case .suspend: report.yield(.suspended)
        case .send(let bytes):
          waiting.count.add(bytes.count, ordering: .relaxed)
          last = Task(executorPreference: command.loop) { [last] in
            await last?.value
            // The command reads no more, or the connection is lost, which is reported elsewhere.
            try? await command.input.write(bytes)
            waiting.count.subtract(bytes.count, ordering: .relaxed)
          }
        }
      }
      if waiting.count.load(ordering: .relaxed) > Self.waitingLimit { await last?.value }
    }
    await last?.value
    await command.input.finish()
  }

  /// The number of typed bytes that wait.
  private final class Waiting: Sendable {
    let count = Atomic(0)
  }
}
