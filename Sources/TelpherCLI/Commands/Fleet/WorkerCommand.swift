internal import ArgumentParser
internal import Logging
internal import TelpherFleet
internal import TelpherTransport

/// `telpher worker`
struct WorkerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker",
    abstract: "Takes jobs from the queues of a fleet and runs them.",
    discussion: """
      The worker connects to the broker; nothing needs to reach the worker. It takes jobs from its own \
      queue, @NAME, and from those of its groups, and runs a job only if the signature is by a key of \
      --authorized-keys and --policy allows it. Jobs run as durable jobs: they go on if the worker is \
      killed, and the worker takes them up again when it is started with the same --state. Two workers \
      can't have the same --state or name.

      The first SIGTERM or Ctrl-C lets running jobs end and takes no more; a second one ends the worker \
      at once, and its jobs go on.

      docs/FLEET.md shows how to set up a fleet.
      """)

  @OptionGroup var fleet: FleetOptions

  @Option(
    help: ArgumentHelp(
      "The name of the worker.", discussion: "Default: the one in the fleet's file.",
      valueName: "name"),
    transform: FleetArgument.name)
  var name: FleetName?

  @Option(
    help: ArgumentHelp(
      "A group whose queue the worker serves. May be repeated.",
      discussion: "Default: those in the fleet's file.", valueName: "name"),
    transform: FleetArgument.name)
  var group: [FleetName] = []

  @Option(
    help: ArgumentHelp("How many jobs may run at the same time; 1 by default.", valueName: "n"))
  var slots = 1

  @Option(
    help: ArgumentHelp(
      "The folder of the worker: its journal and the output of its jobs.",
      discussion:
        "Default: $XDG_STATE_HOME/telpher/workers/NAME, else ~/.local/state/telpher/workers/NAME.",
      valueName: "folder"),
    completion: .directory)
  var state: String?

  @Option(
    help: ArgumentHelp(
      "The file of the ssh keys whose holders may submit jobs, as for sshd.",
      discussion: "Default: ~/.ssh/authorized_keys.", valueName: "file"),
    completion: .file())
  var authorizedKeys: String?

  @Option(
    help: ArgumentHelp(
      "What each of these keys may run (docs/POLICY.md); read again at SIGHUP.",
      discussion: "Without it, each may run everything.", valueName: "file"),
    completion: .file())
  var policy: String?

  @Option(
    help: ArgumentHelp(
      "The address at which 'telpher job output' reaches the output of the jobs: that of a 'telpher serve --jobs' with the folder 'jobs' of --state.",
      discussion: """
        Default: with --dial, the worker's address at the hub; else the worker's own socket, which reaches \
        this machine only.
        """,
      valueName: "address"))
  var advertise: String?

  @OptionGroup var dialing: DialOptions

  func validate() throws {
    guard (1...FleetLimits.maxSlots).contains(slots) else {
      throw ValidationError("--slots is 1 to \(FleetLimits.maxSlots)")
    }
    guard group.count <= FleetLimits.maxGroups else {
      throw ValidationError("a worker has at most \(FleetLimits.maxGroups) groups")
    }
  }

  func run() async throws {
    let environment = Environment.current()
    let reach = try FleetReach(fleet.settings, environment: environment)
    guard let name = name ?? reach.file.worker else {
      throw Failure(
        "name the worker with --name, or in the fleet's file", kind: "bad_configuration")
    }
    var settings = FleetWorker.Settings(name: name)
    settings.groups = group.isEmpty ? reach.file.groups : group
    settings.slots = slots
    guard let keys = authorizedKeys ?? environment["HOME"].map({ "\($0)/.ssh/authorized_keys" }),
      let folder = state ?? Self.defaultState(name, environment)
    else {
      throw Failure(
        "HOME is not set: give --state and --authorized-keys", kind: "bad_configuration")
    }
    let logger = EscapingLogHandler.logger(level: .info)
    try await WorkerRun(
      backend: CurrentBackend.require(), environment: environment, fleet: reach,
      settings: settings, state: JobsPlace(folder).folder, authorizedKeys: keys, policy: policy,
      advertised: advertise, dialed: try dialedHub(name, environment, logger), logger: logger
    ).run()
  }

  /// The hub that makes the worker reachable under its name; nil if it dials none.
  private func dialedHub(
    _ name: FleetName, _ environment: [String: String], _ logger: Logger
  ) throws -> DialedHub? {
    guard let own = HubName(name.description) else {
      preconditionFailure("the names of a fleet are names for a hub")
    }
    return try dialing.dialed(as: own, tokenFile: nil, environment: environment, logger)
  }

  private static func defaultState(_ name: FleetName, _ environment: [String: String]) -> String? {
    if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
      return "\(state)/telpher/workers/\(name)"
    }
    guard let home = environment["HOME"], home.hasPrefix("/") else { return nil }
    return "\(home)/.local/state/telpher/workers/\(name)"
  }
}
