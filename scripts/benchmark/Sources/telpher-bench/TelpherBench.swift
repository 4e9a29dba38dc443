internal import ArgumentParser

/// Compares Telpher with the programs that people use today and with the limits of the machine
/// (docs/BENCHMARKS.md). `scripts/bench` builds everything that it needs and starts it.
@main
struct TelpherBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "telpher-bench",
    abstract: "Compares Telpher with other programs and the limits of the machine.",
    subcommands: [
      SuitesCommand.self, TablesCommand.self, EchoCommand.self, ServeCommand.self,
      WireCommand.self,
    ],
    defaultSubcommand: SuitesCommand.self)
}
