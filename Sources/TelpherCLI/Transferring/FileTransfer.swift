internal import Glibc
internal import TelpherClient

/// Runs one transfer, which signals can cancel and whose progress is displayed.
struct FileTransfer: Sendable {
  /// The direction of a transfer.
  enum Direction: Sendable {
    /// To the server.
    case put
    /// From the server.
    case get
  }

  let direction: Direction
  let sources: [PathText]
  let destination: PathText
  var isRecursive = false
  var options = TransferOptions()
  /// Receives the outcome of each file.
  var onFile: FileReportHandler?

  private enum Step: Sendable {
    case ended(Result<TransferReport, any Error>)
    case signaled(Int32?)
  }

  /// Copies the files and shows the progress. SIGINT, SIGTERM or SIGHUP cancels the transfer.
  func perform(
    on connection: Connection, showing display: inout ProgressDisplay
  ) async -> TransferOutcome {
    let meter = TransferMeter()
    let signals = InterruptWatch(on: connection.loop) {
      connection.assumeIsolated { $0.hasServerAnswered }
    }
    async let outcome = perform(on: connection, meter, until: signals)
    // The updates end with the transfer.
    for await progress in meter.updates { display.show(progress) }
    let ending = await outcome
    await signals.end()
    return ending
  }

  private func perform(
    on connection: Connection, _ meter: TransferMeter, until signals: InterruptWatch
  ) async -> TransferOutcome {
    await withTaskGroup(of: Step.self) { group in
      group.addTask { .ended(await attempt(on: connection, meter)) }
      group.addTask { .signaled(await signals.first()) }
      var result: Result<TransferReport, any Error>?
      var signal: Int32?
      // The first task to end cancels the other.
      for await step in group {
        switch step {
        case .ended(let ended): result = ended
        case .signaled(let number): signal = number
        }
        group.cancelAll()
      }
      return TransferOutcome(result, signal: signal, at: meter.progress)
    }
  }

  private func attempt(on connection: Connection, _ meter: TransferMeter) async
    -> Result<TransferReport, any Error>
  {
    do {
      switch direction {
      case .put where sources == [Self.stream]:
        defer { meter.finish() }
        try checkNamesAFile()
        return .success(
          finished(
            try await connection.put(
              from: STDIN_FILENO, named: "standard input", to: destination,
              options: options)))
      case .get where destination == Self.stream && sources.count == 1:
        defer { meter.finish() }
        return .success(
          finished(
            try await connection.get(
              sources[0], into: STDOUT_FILENO, named: "standard output",
              options: options)))
      case .put:
        return .success(
          try await connection.put(
            sources, to: destination, recursively: isRecursive, options: options, meter: meter,
            onFile: onFile))
      case .get:
        return .success(
          try await connection.get(
            sources, to: destination, recursively: isRecursive, options: options, meter: meter,
            onFile: onFile))
      }
    } catch let error as FileError where destination == Self.stream && error.errno == EPIPE {
      return .failure(Failure.noReader)
    } catch {
      return .failure(error)
    }
  }

  /// Checks that the destination of standard input, which has no name of its own, names a file.
  ///
  /// - Throws: `FileError`.
  private func checkNamesAFile() throws(FileError) {
    let name = LocalPlace.lastPart(of: destination.bytes)
    guard [[], Array(".".utf8), Array("..".utf8), Array("~".utf8)].contains(name) else { return }
    throw FileError(
      .badPath,
      "'\(destination)' is a folder, and standard input has no file name: name the file to write",
      path: destination.description)
  }

  /// `-`: standard input as a source, standard output as a destination.
  static let stream = PathText("-")

  private func finished(_ file: FileReport) -> TransferReport {
    onFile?(file)
    return TransferReport(of: file)
  }
}
