internal import ArgumentParser
internal import TelpherClient
internal import TelpherFleet
internal import TelpherWire

/// `telpher job submit`
struct JobSubmitCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "submit",
    abstract: "Puts a command into a queue, and prints the id of the job.",
    usage: "telpher job submit --queue QUEUE [OPTIONS] [--] COMMAND [ARG ...]",
    discussion: """
      The id is printed when the broker has stored the job. If telpher fails before that, submit the job \
      again with the same --id: it is stored once. A queue exists since a worker with its name or in its \
      group was enrolled.

        telpher job submit --queue web -- systemctl restart web
        telpher job submit --queue @web1 --retry 3 --timeout 10m -- make -C /srv

      The job is signed with your ssh key; workers run it only if they know the key. Without --retry it \
      is started at most once: if its worker is gone, the job is lost. With --retry N another worker \
      starts it again, N times at most; two attempts may overlap. A job that has ended, with whatever \
      status, is not started again. The worker's folder and environment are used unless --cwd and --env \
      say otherwise.
      """)

  @OptionGroup var fleet: FleetOptions

  @Option(
    help: ArgumentHelp(
      "The queue: the name of a group, or @WORKER for one worker.", valueName: "queue"),
    transform: FleetArgument.queue)
  var queue: QueueName

  @Option(
    help: ArgumentHelp(
      "Starts the job again if its worker is gone, N times at most in all.", valueName: "n"))
  var retry: Int?

  @Option(
    help: ArgumentHelp(
      "No worker starts the job after this time from now on, by the worker's clock.",
      valueName: "duration"),
    transform: DurationArgument.parsePositive)
  var notAfter: Duration?

  @Option(
    help: ArgumentHelp(
      "The id of the job: 32 hexadecimal digits; a random one by default.", valueName: "id"),
    transform: FleetArgument.job)
  var id: JobID?

  @Option(
    help: ArgumentHelp(
      "Signs with the ssh key in this file.",
      discussion: """
        A private key, or a public key if your ssh-agent holds the private one. Default: a key of your \
        agent, else the usual files in ~/.ssh.
        """, valueName: "file"),
    completion: .file())
  var identity: String?

  @Option(help: ArgumentHelp("The working directory of the command.", valueName: "dir"))
  var cwd: String?

  @Option(
    name: .customLong("env"),
    help: ArgumentHelp(
      "Sets a variable in the command's environment. May be repeated.", valueName: "name=value"),
    transform: EnvironmentVariable.parse)
  var variables: [EnvironmentVariable] = []

  @Option(
    help: ArgumentHelp(
      "Ends the command after this time: 5 (seconds), 1.5s, 200ms, 2m, 1h.", valueName: "duration"),
    transform: DurationArgument.parsePositive)
  var timeout: Duration?

  @OptionGroup(title: "Limits") var limits: LimitOptions

  @Flag(help: "Merges standard error into standard output, in the order of writing.")
  var merge = false

  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("The command to run, and its arguments.", valueName: "command"),
    completion: WordCompletion.command)
  var words: [String] = []

  func validate() throws {
    if ["--help", "-h"].contains(words.first) { throw CleanExit.helpRequest(self) }
    if let first = words.first, first.hasPrefix("-"), first != "--" {
      throw unknownOption(first, of: Self.self, unless: "it is the command to run")
    }
    if commandWords.isEmpty {
      throw ValidationError(
        "Missing the command to run, as in 'telpher job submit --queue web -- make'")
    }
    if let retry, !(1...FleetLimits.maxAttempts).contains(retry) {
      throw ValidationError("--retry is 1 to \(FleetLimits.maxAttempts)")
    }
  }

  private var commandWords: [String] { words.first == "--" ? Array(words.dropFirst()) : words }

  /// The job.
  ///
  /// - Throws: `Failure` if workers would refuse it.
  private func job() throws(Failure) -> FleetJob {
    var job = FleetJob(
      id: id ?? .random(), queue: queue,
      argv: commandWords.map { ByteText(ArgumentText.bytes(of: $0)) })
    job.directory = cwd.map { ByteText(ArgumentText.bytes(of: $0)) }
    for variable in variables { job.environment[variable.name] = variable.value }
    job.limits = limits.limits
    job.deadline = timeout?.wholeMilliseconds
    job.mergesError = merge
    if let retry { job.policy = .retry(maxAttempts: retry) }
    job.notAfter = notAfter.map { Clock.now() + $0.wholeMilliseconds }
    if let fault = job.fault { throw Failure("the job can't be submitted: \(fault)") }
    return job
  }

  func run() async throws {
    let signed = try JobSigner(identity: identity, environment: Environment.current())
      .sign(try job())
    let client = FleetClient(engine: try await FleetReach(fleet.settings).engine())
    do throws(FleetError) {
      try await client.check(queue)
      _ = try await client.submit(signed, mayBeKnown: id != nil)
    } catch {
      var failure = Failure(error)
      if error.isPassing {
        failure.message += "; submit it again with --id \(signed.job.id)"
      }
      throw failure
    }
    do throws(Failure) {
      try Descriptor.output.print("\(signed.job.id)\n")
    } catch {
      throw Failure("the job \(signed.job.id) is submitted, but \(error.message)")
    }
  }
}
