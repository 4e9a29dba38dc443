internal import ArgumentParser
internal import TelpherProcess

/// `telpher-bench run`, the default subcommand.
struct SuitesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Runs suites and prints a table for each comparison.",
    discussion: """
      The contestants take turns. A table gives the median, lowest and highest figure of each, and \
      the ratio to the machine's limit. Programs that are not installed are named and left out. The \
      exit status is 1 if a contestant failed, never because of a figure.

      Suites: \(allSuites.map { $0.name }.joined(separator: ", ")).
      """)

  @Argument(help: "The suites to run; all if none is given.")
  var suites: [String] = []

  @Flag(
    help: "Run every suite in less than two minutes in all; the figures are not reliable.")
  var quick = false

  @Option(
    help: ArgumentHelp(
      "Turns for each contestant (default: 3, in a full run of far 5).", valueName: "n"))
  var rounds: Int?

  @Option(help: ArgumentHelp("Write all figures as JSON to this file.", valueName: "file"))
  var json: String?

  func validate() throws {
    for suite in suites where !allSuites.contains(where: { $0.name == suite }) {
      throw ValidationError(
        "there is no suite '\(suite)': \(allSuites.map { $0.name }.joined(separator: ", "))")
    }
    if let rounds, rounds < 1 { throw ValidationError("--rounds must be at least 1") }
  }

  func run() async throws {
    _ = Launcher.raiseDescriptorLimit()
    let bench = try Bench(isQuick: quick, rounds: rounds)
    let signals = RunningPrograms.endOnSignals { bench.folder.remove() }
    defer {
      withExtendedLifetime(signals) {}
      bench.folder.remove()
    }
    var report = Report(machine: Machine(), isQuick: quick, suites: [])
    for suite in allSuites where suites.isEmpty || suites.contains(suite.name) {
      bench.log("\(suite.name): \(suite.title)")
      var result = SuiteResult(name: suite.name, title: suite.title, comparisons: [])
      do {
        result.comparisons = try await suite.init().run(bench)
      } catch {
        result.failure = "\(error)"
      }
      Self.show(result)
      report.suites.append(result)
      // After each suite, so that an interrupted run keeps its results.
      if let json { try report.write(to: json) }
    }
    if report.suites.contains(where: \.hasFailed) { throw ExitCode(1) }
  }

  /// Prints the tables of a suite.
  static func show(_ suite: SuiteResult) {
    printLine("\n\(suite.name): \(suite.title)")
    if let failure = suite.failure { printLine("  Failed: \(failure)") }
    for result in suite.comparisons {
      printLine("\n \(result.title) (\(result.lessIsBetter ? "less" : "more") is better)")
      printLine(Table(result).plain)
    }
  }
}

extension SuiteResult {
  /// Whether a measurement failed. A program that is not installed does not count.
  var hasFailed: Bool {
    failure != nil || comparisons.contains { $0.entries.contains { $0.failure != nil } }
  }
}
