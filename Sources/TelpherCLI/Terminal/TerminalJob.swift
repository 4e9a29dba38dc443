internal import Glibc
internal import TelpherClient
internal import TelpherTransport
internal import TelpherWire

/// A durable job on this process's terminal. A shell outlives the connection and this process: if the
/// connection is lost, this process reconnects to the job and sends the keys that were typed in the
/// meantime. Another command does so only with `--reconnect`, or after `~d`.
struct TerminalJob: Sendable {
  /// The id of the job, for messages.
  let job: String
  /// The server, for messages.
  let server: ServerSettings
  let terminal: LocalTerminal
  /// How long to try to reach the server again after a loss.
  let patience: Duration
  /// The loop of all connections.
  let loop: any EventLoop
  /// Makes a connection; gives up after a time, if one is given.
  let connect: @Sendable (Duration?) async throws -> Connection
  /// Whether the job ends with the connection or this process, unless the user leaves it.
  var endsWithClient = false
  /// Where the result goes if this process ends before the command.
  var statusFile: StatusFile?

  /// How much of what the terminal has shown is kept on disk.
  private static let journalBytes: UInt64 = 8 << 20
  /// How long `~.` and `~d` wait for the server.
  private static let answerLimit = Duration.seconds(5)

  /// Starts `command` and shows it until it has ended.
  ///
  /// - Returns: its result.
  /// - Throws: `ClientError`, `Failure`.
  func start(
    _ command: Command, name: String?, journalBytes: UInt64?
  ) async throws -> CommandResult {
    try await perform(command, name: name, journalBytes: journalBytes, .start)
  }

  /// Shows the job, which runs already, from its last lines on until it has ended.
  ///
  /// - Parameter lines: the number of lines; nil for as many as the terminal has.
  /// - Returns: its result.
  /// - Throws: `ClientError`, `Failure`.
  func attach(lastLines lines: UInt64?) async throws -> CommandResult {
    let rows = terminal.size.rows
    return try await perform(
      Command(""), name: nil, journalBytes: nil,
      .attach(lastLines: lines ?? UInt64(rows > 0 ? rows : 24)))
  }

  private func perform(
    _ command: Command, name: String?, journalBytes: UInt64?,
    _ beginning: ReconnectingRun.Beginning
  ) async throws -> CommandResult {
    let screen = TerminalRun(terminal) { [self] in
      quit(
        endsWithClient
          ? RunInvocation.escapeText
          : "ended; the job goes on; to reconnect to it: \(server.commandLine("attach", job))",
        status: ExitStatus.failure)
    }
    var command = command
    command.job = job
    screen.prepare(&command, on: loop)
    let keys = InputReplay()
    let output = DescriptorSink(.output)
    var run = ReconnectingRun(
      command: command,
      journal: RunRequest.Journal(
        bytes: journalBytes ?? Self.journalBytes, whenFull: .dropOldest),
      name: name,
      patience: patience, input: keys, connect: connect,
      pass: { chunk, _ in try await output.write(chunk) },
      didLose: { [patience] loss in
        guard patience > .zero else { return }
        Self.note("\(Failure(loss).message); trying to reconnect to the job \(job)")
      },
      didReturn: { Self.note("reconnected to the job") })
    run.beginning = beginning
    run.toleratesGaps = true
    run.ownsJob = endsWithClient
    let shown = run.current
    let current: @Sendable () -> RunningCommand? = { shown.withLock { $0 } }
    let tasks = Monitor<[Task<Void, Never>]>([])
    run.didAttach = { [self] handle in
      // The terminal is not read before this: if the server keeps no jobs and refuses, an ordinary
      // command needs the keys.
      let isFirst = tasks.withLock { $0.isEmpty }
      if isFirst {
        try terminal.enterRawMode()
        let begun = begin(keys, on: screen, current)
        tasks.withLock { $0 = begun }
      }
      // The screen shows messages of this program, or the job was last shown on another terminal.
      var needsRedraw = !isFirst
      if case .attach = beginning { needsRedraw = true }
      if needsRedraw { await redraw(handle) }
      await handle.resizeTerminal(to: terminal.size)
    }
    defer {
      LocalTerminal.leaveRawMode()
      tasks.withLock { $0 }.forEach { $0.cancel() }
    }
    let running = run
    let result = try await withTaskExecutorPreference(loop) { try await running.perform() }
    if result.status == .detached { quitDetached() }
    return result
  }

  /// Begins to pass on keys, signals and the terminal's size.
  ///
  /// - Returns: the tasks to cancel at the end.
  private func begin(
    _ keys: InputReplay, on screen: TerminalRun,
    _ current: @escaping @Sendable () -> RunningCommand?
  ) -> [Task<Void, Never>] {
    let signals = ForwardedSignals.watch(
      on: loop, hasAnswered: { true }, hasTerminal: true,
      orGiveUp: { [self] signal, reason in
        if endsWithClient {
          RunInvocation.giveUp(signal, reason, printsReport: false, statusFile)
        }
        quit(
          "ended by a signal; the job goes on; to reconnect to it: \(server.commandLine("attach", job))",
          status: ExitStatus.signalBase + signal)
      })
    forwardKeys(to: keys, of: screen, current)
    return [
      Task(executorPreference: loop) { await screen.follow(current) },
      Task(executorPreference: loop) {
        for await number in signals.numbers { await current()?.signal(number) }
      },
    ]
  }

  /// Makes a program that draws the whole screen draw it again: it does when the size changes.
  private func redraw(_ handle: RunningCommand) async {
    var size = terminal.size
    guard size.rows > 1 else { return }
    size.rows -= 1
    await handle.resizeTerminal(to: size)
  }

  /// Starts a task that passes on what the user types. The task is not awaited: a read from a
  /// terminal may never return.
  private func forwardKeys(
    to input: InputReplay, of screen: TerminalRun,
    _ current: @escaping @Sendable () -> RunningCommand?
  ) {
    Task(executorPreference: loop) {
      let source = InputSource()
      var keys = EscapeKeys()
      keys.isJob = true
      var isEnding = false
      do {
        while let chunk = try await source.read() {
          for action in keys.receive(Array(chunk)) {
            switch action {
            case .help: try? Descriptor.error.write(keys.help)
            case .suspend: screen.report.yield(.suspended)
            case .send(let bytes): guard await input.add(Chunk(bytes)) else { return }
            case .detach:
              guard endsWithClient else { quitDetached() }
              // The job goes on only if its host has got the request: wait for the answer.
              await current()?.detach()
              waitForAnswer {
                quit("the server did not answer ~d: it may have ended the command")
              }
              return
            case .end:
              // The second time, or without a connection, this process ends at once.
              guard !isEnding, !endsWithClient, let command = current() else { screen.end() }
              isEnding = true
              await command.cancel()
              waitForAnswer { screen.end() }
            }
          }
        }
        await input.finish()
      } catch {
        // The terminal is gone; the job stays.
        screen.end()
      }
    }
  }

  /// Ends this process by `end` if the server does not answer in time.
  private func waitForAnswer(orElse end: @escaping @Sendable () -> Never) {
    Task(executorPreference: loop) {
      try? await Task.sleep(for: Self.answerLimit)
      end()
    }
  }

  /// Prints a line while the terminal is in raw mode.
  private static func note(_ text: String) {
    try? Descriptor.error.write("\r\ntelpher: \(text)\r\n")
  }

  /// Ends this process; the job goes on.
  private func quitDetached() -> Never {
    quit(
      "detached; to end the job: \(server.commandLine("kill", job)); to reconnect to it: \(server.commandLine("attach", job))",
      kind: "detached", status: 0)
  }

  private func quit(
    _ message: String, kind: String = "interrupted", status: Int32 = ExitStatus.failure
  ) -> Never {
    RunInvocation.quit(
      Failure(message, kind: kind), printsReport: false, statusFile, status: status)
  }
}
