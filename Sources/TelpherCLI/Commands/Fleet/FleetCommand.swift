internal import ArgumentParser
internal import TelpherFleet
internal import TelpherText

/// `telpher fleet`
struct FleetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fleet",
    abstract: "Sets up a fleet of workers around a broker, and shows its state.",
    discussion: "docs/FLEET.md shows how to set up a fleet.",
    subcommands: [
      FleetInitCommand.self, FleetEnrollCommand.self, FleetListCommand.self, FleetShowCommand.self,
    ])
}

/// `telpher fleet list`
struct FleetListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Lists the workers and queues of a fleet.",
    discussion: """
      A worker that the broker has not heard of for 30 seconds is not listed. WAITING are the jobs of a \
      queue that no worker has, TAKEN those that were given to workers and have not ended.
      """)

  @OptionGroup var fleet: FleetOptions

  @Flag(help: "Prints the list again every 2 seconds.")
  var watch = false

  func run() async throws {
    let engine = try await FleetReach(fleet.settings).engine()
    try await Watching.print(repeats: watch) {
      let workers = FleetTable.workers(try await engine.workers()).text
      return workers + "\n" + FleetTable.queues(try await engine.queues()).text
    }
  }
}

/// `telpher fleet show`
struct FleetShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Shows what a worker says about itself.",
    discussion: """
      It also asks the worker for an answer. The exit status is 1 if the worker does not answer, or is not \
      known.
      """)

  @OptionGroup var fleet: FleetOptions

  @Argument(help: ArgumentHelp("The worker.", valueName: "name"), transform: FleetArgument.name)
  var worker: FleetName

  /// How long the worker has to answer.
  private static let patience = Duration.seconds(5)

  func run() async throws {
    let engine = try await FleetReach(fleet.settings).engine()
    guard let entry = try await engine.workers().first(where: { $0.worker == worker }) else {
      throw Failure("the broker has not heard of worker \(worker) for some time", status: 1)
    }
    try Descriptor.output.print(FleetTable.workers([entry]).text)
    if let address = WorkerRecord(payload: entry.payload)?.address {
      try Descriptor.output.print("output of its jobs: \(ShownText.escaped(address))\n")
    }
    let outcome = try await engine.call(worker, WorkerCall.ping.payload, within: Self.patience)
    guard case .answer(let bytes) = outcome, WorkerAnswer(payload: bytes)?.ok == true else {
      throw Failure("worker \(worker) does not answer", status: 1)
    }
    try Descriptor.output.print("it answers\n")
  }
}
