internal import ArgumentParser

/// Sets Telpher beside the programs that people use today, and beside the limit of the machine:
/// docs/BENCHMARKS.md. `scripts/bench` builds all that is compared and starts it.
@main
struct TelpherBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "telpher-bench",
    abstract: "Measures Telpher beside other programs and the limit of the machine.",
    subcommands: [
      SuitesCommand.self, TablesCommand.self, EchoCommand.self, ServeCommand.self,
      WireCommand.self,
    ],
    defaultSubcommand: SuitesCommand.self)
}
