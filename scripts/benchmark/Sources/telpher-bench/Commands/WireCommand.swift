internal import ArgumentParser

/// `telpher-bench wire`
struct WireCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wire", abstract: "Measures work without I/O, for the suite 'wire'.",
    shouldDisplay: false)

  @Argument(help: "The kind of work.")
  var work: WireWork

  @Option(help: "How often to do the work.")
  var count = 1_000_000

  @Option(help: "The file with the count of this process's allocations.")
  var counts: String?

  func run() throws {
    // A first pass that is not measured, so that one-time initialization does not count.
    try work.run(1_000)
    let before = counts.flatMap(AllocationCount.read)
    let begin = monotonicNow()
    try work.run(count)
    printLine("nanoseconds \(Double(monotonicNow() - begin) / Double(count))")
    if let before, let after = counts.flatMap(AllocationCount.read) {
      printLine("allocations \(Double(after - before) / Double(count))")
    }
  }
}

extension WireWork: ExpressibleByArgument {}
