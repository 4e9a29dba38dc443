internal import ArgumentParser
internal import Glibc
internal import TelpherClient
internal import TelpherText
internal import TelpherWire

/// `telpher ps`
struct ProcessesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ps",
    abstract: "Lists the commands and durable jobs that run on a server.",
    discussion: """
      The list has the commands of all clients, and then the durable jobs. A client with an ssh key or a certificate sees only its own. CPU is the processor time that the processes of a \
      command have used, MEMORY what they have in memory now, and PROCS their number. The ID is for \
      'telpher kill'.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(help: "Prints one JSON object.")
  var json = false

  @Flag(
    help: ArgumentHelp(
      "Prints the list again every second, until Ctrl-C.",
      discussion: "On a terminal the new list replaces the old one."))
  var watch = false

  func run() async throws {
    do {
      let connection = try await ServerReach(settings: server.settings)
        .connect(embeddedServer: .forbidden).connection
      while true {
        let commands = try await connection.runningCommands()
        if json {
          try JSONText.print(CommandsReport(commands: commands.map(\.record)))
        } else {
          try show(commands)
        }
        guard watch else { return }
        try await Task.sleep(for: .seconds(1))
      }
    } catch {
      throw Failure(error)
    }
  }

  private func show(_ commands: [CommandInfo]) throws(Failure) {
    let screen = Self.screen
    var text = CommandTable(commands).text(width: screen?.columns, rows: watch ? screen?.rows : nil)
    // The cursor to the top, then everything below is cleared: xterm's control sequences.
    if watch && screen != nil { text = "\u{1B}[H\u{1B}[J" + text }
    try Descriptor.output.print(text)
  }

  /// The size of the terminal on standard output; nil if it is none or its size is unknown.
  static var screen: (columns: Int, rows: Int)? {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 1
    else {
      return nil
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }
}

/// What `ps --json` prints.
private struct CommandsReport: Encodable {
  var commands: [CommandRecord]
}

/// The list of `ps` for the user.
struct CommandTable {
  private let rows: [[String]]

  private static let titles = [
    "ID", "PID", "STATE", "AGE", "CPU", "MEMORY", "PROCS", "CLIENT", "COMMAND",
  ]
  /// The columns of numbers.
  private static let rightAligned: Set<Int> = [1, 3, 4, 5, 6]

  /// A list of these commands.
  init(_ commands: [CommandInfo]) {
    rows = commands.map { command in
      [
        // The id and the texts come from the server and from other clients.
        ShownText.escaped(command.id), command.pid.map { "\($0)" } ?? "-",
        ShownText.escaped(command.state.description), Amount.clock(command.age / .seconds(1)),
        Amount.elapsed(command.cpuTime / .seconds(1)),
        Amount.bytes(Int64(clamping: command.memory)), "\(command.processes)",
        ShownText.escaped(command.client), Self.line(command),
      ]
    }
  }

  /// The arguments as one line. An argument with spaces or other special characters is quoted, so
  /// that the line shows where arguments end.
  private static func line(_ command: CommandInfo) -> String {
    let words = command.arguments.map { argument in
      let text = ShownText.path(argument.bytes)
      let isPlain = !text.isEmpty && !text.contains { " '\"$`\\".contains($0) }
      return isPlain ? text : "'\(text.replacing("'", with: "'\\''"))'"
    }
    return words.joined(separator: " ") + (command.areArgumentsCut ? " ..." : "")
  }

  /// The lines of the list, each with a line feed.
  ///
  /// - Parameters:
  ///   - width: cuts longer lines; nil does not.
  ///   - limit: the height of the screen, of which the last row stays empty; nil shows all commands.
  func text(width: Int?, rows limit: Int? = nil) -> String {
    let all = [Self.titles] + rows.prefix(limit.map { max(0, $0 - 2) } ?? rows.count)
    let last = Self.titles.count - 1
    let widths = (0..<last).map { column in all.map { Columns.count($0[column]) }.max() ?? 0 }
    return all.map { row in
      let cells = (0..<last).map { column in
        Columns.padded(
          row[column], to: widths[column], isRightAligned: Self.rightAligned.contains(column))
      }
      let line = (cells + [row[last]]).joined(separator: "  ")
      return (width.map { Columns.shortened(line, to: $0) } ?? line) + "\n"
    }.joined()
  }
}
