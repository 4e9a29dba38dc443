internal import ArgumentParser
internal import TelpherClient

/// What `put` and `get` do: connect, move the files, and tell how that ended.
struct TransferRun {
  let direction: FileTransfer.Direction
  /// The sources, and after them the destination.
  let paths: [PathArgument]
  let server: ServerOptions
  let flags: TransferFlags

  /// Refuses paths that are too few.
  ///
  /// - Throws: `ValidationError`.
  static func check(_ paths: [PathArgument]) throws {
    guard paths.count >= 2 else {
      throw ValidationError(
        paths.isEmpty
          ? "Missing what to move, and where to" : "Missing where to move '\(paths[0].path)'")
    }
  }

  /// Moves the files.
  ///
  /// - Throws: `ExitCode` with the status where it is not 0; `Failure` where standard output can't
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
      let connection = try await ServerReach(options: server).connect(.allowed).connection
      return await transfer.perform(on: connection, showing: &display)
    } catch {
      return .broken(Failure(error))
    }
  }

  /// Prints what became of a file. If that cannot be written, the result cannot be written either, which
  /// is reported.
  @Sendable private static func print(_ report: FileReport) {
    try? JSONText.print(FileRecord(report: report))
  }
}
