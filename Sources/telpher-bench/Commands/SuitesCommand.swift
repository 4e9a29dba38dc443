internal import ArgumentParser
internal import TelpherSystem

/// `telpher-bench run`, and what happens without a subcommand.
struct SuitesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Runs suites and prints a table for each comparison.",
    discussion: """
      Contestants take turns; figures are medians with the lowest and the highest, and ratios to the \
      limit of the machine. Who is not installed is named and left out. The status is 1 where a \
      contestant failed, never because of a figure.

      Suites: \(allSuites.map { $0.name }.joined(separator: ", ")).
      """)

  @Argument(help: "The suites; all without any.")
  var suites: [String] = []

  @Flag(
    help: "Take a glance: every suite, in less than two minutes, with figures that are no good.")
  var quick = false

  @Option(help: ArgumentHelp("Turns for each contestant (default: 7, or 3).", valueName: "n"))
  var rounds: Int?

  @Option(help: ArgumentHelp("Where to write all figures as JSON.", valueName: "file"))
  var json: String?

  func validate() throws {
    for suite in suites where !allSuites.contains(where: { $0.name == suite }) {
      throw ValidationError(
        "there is no suite '\(suite)': \(allSuites.map { $0.name }.joined(separator: ", "))")
    }
    if let rounds, rounds < 1 { throw ValidationError("--rounds is at least 1") }
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
      // After each, so that a run that is cut short leaves what it has.
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
  /// Whether anything of it could not be measured, other than for want of a program.
  var hasFailed: Bool {
    failure != nil || comparisons.contains { $0.entries.contains { $0.failure != nil } }
  }
}
