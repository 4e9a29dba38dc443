internal import ArgumentParser
internal import TelpherFleet

/// The options that say which fleet to use.
struct FleetOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The file that 'telpher fleet enroll' has written for you.",
      discussion: "Default: $TELPHER_FLEET, else ~/.config/telpher/fleet if there is one.",
      valueName: "file"),
    completion: .file())
  var fleet: String?

  @Option(
    help: ArgumentHelp(
      "The address of the broker: nats://HOST:PORT or tls://HOST:PORT. May be repeated.",
      discussion: "Default: $TELPHER_HUB, else the addresses in the fleet's file.",
      valueName: "address"))
  var hub: [String] = []

  @Option(
    name: .customLong("hub-ca"),
    help: ArgumentHelp(
      "The file with the authorities that may sign the broker's certificate (PEM).",
      discussion: """
        For a broker with TLS. Default: the one that the fleet's file names, else the authorities that \
        this system trusts.
        """,
      valueName: "file"),
    completion: .file())
  var authorities: String?

  @Option(
    help: ArgumentHelp(
      "The file with your credentials for the broker.",
      discussion: """
        It contains 'nkey: SEED', 'token: TOKEN', or 'user: NAME' and 'password: PASSWORD', and only you \
        may read it. Default: the one that the fleet's file names.
        """,
      valueName: "file"),
    completion: .file())
  var credentials: String?

  /// The values of these options.
  var settings: FleetSettings {
    FleetSettings(file: fleet, hubs: hub, authorities: authorities, credentials: credentials)
  }
}

/// The names in the arguments of fleet commands.
enum FleetArgument {
  /// Reads the name of a worker or group.
  static func name(_ text: String) throws -> FleetName {
    guard let name = FleetName(text) else {
      throw ValidationError(
        "'\(text)' is not a name: write 1 to \(FleetLimits.maxNameLength) letters, digits, '_' and '-', the first a letter or digit"
      )
    }
    return name
  }

  /// Reads the name of a queue.
  static func queue(_ text: String) throws -> QueueName {
    guard let queue = QueueName(text) else {
      throw ValidationError("'\(text)' is not a queue: write the name of a group, or @WORKER")
    }
    return queue
  }

  /// Reads the id of a job.
  static func job(_ text: String) throws -> JobID {
    guard let job = JobID(text) else {
      throw ValidationError(
        "'\(text)' is not a job: write the 32 digits that 'telpher job submit' has printed")
    }
    return job
  }
}
