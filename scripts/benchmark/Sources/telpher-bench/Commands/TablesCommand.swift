internal import ArgumentParser

/// `telpher-bench tables`
struct TablesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tables",
    abstract: "Prints the tables of a file of results, or inserts them into a page.",
    discussion: """
      In the page the tables replace the text between the lines '<!-- results SUITE -->' and \
      '<!-- end -->'; SUITE may also be 'machine'. The text of suites that are not in the file is \
      kept.
      """)

  @Argument(help: "A file that 'telpher-bench --json' wrote.")
  var results: String

  @Option(help: ArgumentHelp("Insert the tables into this Markdown page.", valueName: "page"))
  var into: String?

  func run() throws {
    let report = try Report.read(results)
    guard let into else {
      for suite in report.suites { SuitesCommand.show(suite) }
      return
    }
    guard let page = readText(into) else { throw Failure("cannot read \(into)") }
    try writeText(try report.inserted(into: page), to: into)
  }
}
