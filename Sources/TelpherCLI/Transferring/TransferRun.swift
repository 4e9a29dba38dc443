internal import ArgumentParser
internal import TelpherClient

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

  /// Copies the files.
  ///
  /// - Throws: `ExitCode` with the exit status if it is not 0; `Failure` if standard output can't
  ///   be written.
  func run() async throws {
    let terminal = flags.quiet ? nil : Terminal.ofStandardError(Environment.current())
    var display = ProgressDisplay(
      flags.json ? .records : terminal.map { .line($0) } ?? .silent)
    let outcome = await perform(showing: &display)
    let seconds = display.seconds
    display.clear()
    if flags.json {
      try JSONText.print(TransferRecord(outcome: outcome, seconds: seconds))
    } else {
      outcome.complaints.forEach(Descriptor.complain)
      if case .finished(let report) = outcome, !flags.quiet {
        try? Descriptor.error.write(SummaryLine.text(report.counts, seconds: seconds) + "\n")
      }
    }
    if outcome.status != 0 { throw ExitCode(outcome.status) }
  }

  private func perform(showing display: inout ProgressDisplay) async -> TransferOutcome {
    let transfer = FileTransfer(
      direction: direction, sources: paths.dropLast().map(\.path),
      destination: paths[paths.count - 1].path,
      isRecursive: flags.recursive, options: flags.options,
      onFile: flags.json ? Self.print : nil)
    do {
      let connection = try await ServerReach(options: server).connect(embeddedServer: .allowed)
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
