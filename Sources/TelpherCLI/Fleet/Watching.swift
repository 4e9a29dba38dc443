internal import TelpherFleet

/// Prints a text once, or again and again.
enum Watching {
  /// How often it is printed anew.
  private static let interval = Duration.seconds(2)
  /// Goes to the first line, and clears the screen.
  private static let clear = "\u{1B}[H\u{1B}[J"

  /// Prints the text of `make`; with `repeats` until the process is ended. On a terminal each text replaces
  /// the one before, cut to the size of the screen; else an empty line is between them. While the broker
  /// can't be reached, that is printed instead.
  ///
  /// - Throws: what `make` throws for the first text, and later if it does not pass by itself; `Failure` if
  ///   it can't be printed.
  static func print(repeats: Bool, _ make: () async throws -> String) async throws {
    try Descriptor.output.print(fit(try await make(), repeats: repeats))
    while repeats {
      try await Task.sleep(for: interval)
      let text: String
      do { text = try await make() } catch let error as FleetError where error.isPassing {
        text = "\(error.message); trying again\n"
      }
      let separator = ProcessesCommand.screen == nil ? "\n" : ""
      try Descriptor.output.print(separator + fit(text, repeats: true))
    }
  }

  private static func fit(_ text: String, repeats: Bool) -> String {
    guard repeats, let screen = ProcessesCommand.screen else { return text }
    return clear + fit(text, columns: screen.columns, rows: screen.rows)
  }

  /// The lines that fit on a screen, each of them cut. The last line of the screen is for the cursor.
  static func fit(_ text: String, columns: Int, rows: Int) -> String {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      .map { Columns.shortened(String($0), to: columns) }
    if lines.count > rows - 1 {
      let kept = max(rows - 2, 0)
      lines[kept...] = [Columns.shortened("... and \(lines.count - kept) lines more", to: columns)]
    }
    return lines.map { $0 + "\n" }.joined()
  }
}
