internal import ArgumentParser
internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// Does the work of `put` and `get`: connects, copies the files and reports the outcome.
struct TransferRun {
  let direction: FileTransfer.Direction
  /// The sources, then the destination.
  let paths: [PathArgument]
  let server: ServerOptions
  let flags: TransferFlags

  /// Checks that there are a source and a destination.
  ///
  /// - Throws: `ValidationError`.
  static func check(_ paths: [PathArgument]) throws {
    guard paths.count >= 2 else {
      throw ValidationError(
        paths.isEmpty
          ? "Missing the source and the destination"
          : "Missing the destination for '\(paths[0].path)'")
    }
  }

  /// The options with the server that the paths name.
  ///
  /// - Throws: `ValidationError` if a path of this machine is HOST:PATH, or if the other paths name
  ///   several hosts.
  private func namedServer() throws -> ServerOptions {
    let (first, last) = (paths.dropLast(), paths.suffix(1))
    let (here, there) = direction == .put ? (first, last) : (last, first)
    guard let wrong = here.first(where: { $0.host != nil }) else {
      return try server.naming(Array(there))
    }
    if let other = there.first(where: { $0.host != nil }) {
      throw ValidationError(
        "'\(wrong)' and '\(other)' are both on other machines, and telpher copies only between this one and another; \(wrong.advice)"
      )
    }
    throw ValidationError(
      direction == .put
        ? "'\(wrong)' is on another machine, and put copies from this one: use get; \(wrong.advice)"
        : "'\(wrong)' is on another machine, and get copies to this one: use put; \(wrong.advice)"
    )
  }

  /// Copies the files.
  ///
  /// - Throws: `ValidationError` if the paths are not on this machine and one other; `ExitCode` with
  ///   the exit status if it is not 0; `Failure` if standard output can't be written.
  func run() async throws {
    let server = try namedServer()
    let terminal = flags.quiet ? nil : Terminal.ofStandardError(Environment.current())
    var display = ProgressDisplay(
      flags.json ? .records : terminal.map { .line($0) } ?? .silent)
    let outcome = await perform(on: server, showing: &display)
    let seconds = display.seconds
    display.clear()
    if flags.json {
      try JSONText.print(TransferRecord(outcome: outcome, seconds: seconds))
    } else {
      outcome.complaints.forEach(Descriptor.complain)
      if case .finished(let report) = outcome, !flags.quiet {
        try? Descriptor.error.write(
          SummaryLine.text(report.counts, seconds: seconds) + Descriptor.lineEnd)
      }
    }
    if outcome.status != 0 { throw ExitCode(outcome.status) }
  }

  private func perform(
    on server: ServerOptions, showing display: inout ProgressDisplay
  ) async -> TransferOutcome {
    let transfer = FileTransfer(
      direction: direction, sources: paths.dropLast().map(\.path),
      destination: paths[paths.count - 1].path,
      isRecursive: flags.recursive, options: flags.options,
      onFile: flags.json ? Self.print : nil)
    do {
      let connection = try await ServerReach(settings: server.settings).connect(
        embeddedServer: .allowed
      )
      .connection
      return await transfer.perform(on: connection, showing: &display)
    } catch {
      return .broken(Failure(error))
    }
  }

  /// Prints the outcome of a file. A write error is ignored here: writing the result at the end
  /// then fails too, and that is reported.
  @Sendable private static func print(_ report: FileReport) {
    try? JSONText.print(FileRecord(report: report))
  }
}

/// Watches the signals that stop a transfer. The first cancels it; the second ends the process, and
/// so does the first if the server has not answered yet.
///
/// `@unchecked Sendable`: `watches` and `count` are used only on the loop's thread.
final class InterruptWatch: @unchecked Sendable {
  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  private let loop: any EventLoop
  private let hasAnswered: @Sendable () -> Bool
  private let numbers: AsyncStream<Int32>
  private let continuation: AsyncStream<Int32>.Continuation
  private var watches: [any SignalWatch] = []
  private var count = 0

  /// Watches the signals from now on until `end()`.
  ///
  /// - Parameter hasAnswered: whether the server has answered on the connection; called on the
  ///   loop's thread.
  init(on loop: any EventLoop, hasAnswered: @escaping @Sendable () -> Bool) {
    self.loop = loop
    self.hasAnswered = hasAnswered
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
    guard hasAnswered() else {
      Descriptor.complain("interrupted before the server answered")
      _exit(ExitStatus.signalBase + number)
    }
    continuation.yield(number)
  }
}
