internal import ArgumentParser

/// `telpher-bench wire`
struct WireCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wire", abstract: "What frames cost without I/O, for the suite 'wire'.",
    shouldDisplay: false)

  @Argument(help: "The work, one of the suite's.")
  var work: WireWork

  @Option(help: "How often to do it.")
  var count = 1_000_000

  @Option(help: "The file in which this process's allocations are counted.")
  var counts: String?

  func run() throws {
    // First without being looked at: what is set up once does not count.
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
