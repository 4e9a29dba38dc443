internal import ArgumentParser
internal import TelpherFleet
internal import TelpherFleetNATS

/// `telpher fleet init`
struct FleetInitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract:
      "Makes a folder with the configuration of a broker and the administrator's credentials.",
    discussion: """
      Start the broker with 'nats-server -c FOLDER/nats-server.conf', then 'telpher fleet enroll' makes \
      members. FOLDER/admin is the administrator's own file for --fleet. Keep the folder secret: with it \
      one can do everything in the broker, but not sign jobs.
      """)

  @Option(
    help: ArgumentHelp(
      "Where the broker listens; 127.0.0.1:4222 by default.", valueName: "host:port"))
  var listen = "127.0.0.1:4222"

  @Option(
    help: ArgumentHelp(
      "The address by which members reach the broker. May be repeated.",
      discussion: "Default: the value of --listen with nats://, or with tls:// for --certificate.",
      valueName: "address"))
  var hub: [String] = []

  @Option(
    help: ArgumentHelp(
      "The broker uses TLS, with the certificate in this file (PEM). Needs --certificate-key.",
      valueName: "file"),
    completion: .file())
  var certificate: String?

  @Option(
    help: ArgumentHelp("The private key of --certificate (PEM).", valueName: "file"),
    completion: .file())
  var certificateKey: String?

  @Option(
    name: .customLong("hub-ca"),
    help: ArgumentHelp(
      "The file with the authority that has signed --certificate (PEM), for all members.",
      discussion: "Default: members accept the authorities that their systems trust.",
      valueName: "file"),
    completion: .file())
  var authorities: String?

  @Option(
    help: ArgumentHelp(
      "On how many servers of the broker each job is stored: 1, 3 or 5.",
      discussion: "With 1, the default, a lost disk loses the fleet's jobs.", valueName: "n"))
  var replicas = 1

  @Argument(help: ArgumentHelp("The folder, which must not exist.", valueName: "folder"))
  var folder: String

  func validate() throws {
    guard [1, 3, 5].contains(replicas) else { throw ValidationError("--replicas is 1, 3 or 5") }
    guard (certificate == nil) == (certificateKey == nil) else {
      throw ValidationError("--certificate and --certificate-key belong together")
    }
    let isPlain = { (text: String) in
      !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
    guard isPlain(listen), hub.allSatisfy(isPlain) else {
      throw ValidationError("an address is text without spaces")
    }
  }

  func run() async throws {
    var files: BrokerConfiguration.Certificate?
    if let certificate, let certificateKey {
      // The broker may be started in another folder.
      files = .init(
        certificate: JobsPlace(certificate).folder, key: JobsPlace(certificateKey).folder)
    }
    let usual = "\(files == nil ? "nats" : "tls")://\(listen)"
    try FleetFolder(folder).make(
      listen: listen, hubs: hub.isEmpty ? [usual] : hub, replicas: replicas, certificate: files,
      authorities: authorities)
  }
}

/// `telpher fleet enroll`
struct FleetEnrollCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "enroll",
    abstract: "Makes credentials for members of a fleet, and their queues in the broker.",
    discussion: """
      For each NAME it writes FOLDER/NAME and FOLDER/NAME.key. Take both to the member's machine, with \
      hub-ca.pem if there is one: they are all that it needs ('telpher worker --fleet NAME'). A worker may take jobs of its own queue and of \
      its groups only. A name that is known keeps its key and gets the groups of this command.

      The broker must run. If it runs on this machine with the configuration of the folder, it reads its \
      users again; otherwise copy users.conf to its machine and send SIGHUP to nats-server twice. Then \
      repeat the command: it ends with 0 when the broker serves the members.

        telpher fleet enroll --folder fleet --group web web1 web2 web3
        telpher fleet enroll --folder fleet --submitter me
      """)

  @Option(
    help: ArgumentHelp("The folder that 'telpher fleet init' has made.", valueName: "folder"),
    completion: .directory)
  var folder: String

  @Option(
    help: ArgumentHelp("A group of the workers. May be repeated.", valueName: "name"),
    transform: FleetArgument.name)
  var group: [FleetName] = []

  @Flag(help: "The members submit jobs, and are no workers.")
  var submitter = false

  @Argument(help: ArgumentHelp("The members.", valueName: "name"), transform: FleetArgument.name)
  var names: [FleetName]

  func validate() throws {
    if submitter, !group.isEmpty { throw ValidationError("--group is for workers") }
    guard group.count <= FleetLimits.maxGroups else {
      throw ValidationError("a worker has at most \(FleetLimits.maxGroups) groups")
    }
  }

  func run() async throws {
    let folder = FleetFolder(folder)
    let contents = try folder.add(names, submitter ? .submitter : .worker(groups: group))
    try folder.reload()
    let settings = FleetSettings(file: "\(folder.path)/\(FleetFolder.administrator)")
    do {
      let engine = try await FleetReach(settings).engine()
      var wanted = EngineSettings()
      wanted.replicas = contents.replicas
      try await engine.setUp(wanted)
      if !submitter {
        for queue in names.map(QueueName.worker) + group.map(QueueName.group) {
          try await engine.addQueue(queue)
        }
      }
      try await admit(folder)
    } catch {
      var failure = Failure(error)
      failure.message +=
        "; when the broker runs and has read \(BrokerConfiguration.usersFile) twice (SIGHUP), repeat the command"
      throw failure
    }
  }

  /// Returns when the members can work.
  ///
  /// nats-server 2.15 gives an account that is new to it no imports when it reads its users again, but
  /// the next time.
  private func admit(_ folder: FleetFolder) async throws {
    let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: false)
    var engines: [any FleetEngine] = []
    for name in names {
      // The broker lets it in, so it has read its users.
      let settings = FleetSettings(file: "\(folder.path)/\(name)")
      engines.append(try await FleetReach(settings).engine(on: loop))
    }
    try folder.reload()
    for (name, engine) in zip(names, engines) { _ = try await engine.has(.worker(name)) }
  }
}
