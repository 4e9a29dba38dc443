internal import ArgumentParser

/// `telpher-bench tables`
struct TablesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tables",
    abstract: "Prints the tables of a results' file, or puts them into a page.",
    discussion: """
      In the page they go between lines of the form '<!-- results SUITE -->' and '<!-- end -->'; \
      SUITE may also be 'machine'. Places of suites that are not in the file stay as they are.
      """)

  @Argument(help: "The results, as 'telpher-bench --json' wrote them.")
  var results: String

  @Option(help: ArgumentHelp("A page in Markdown to put the tables into.", valueName: "page"))
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
