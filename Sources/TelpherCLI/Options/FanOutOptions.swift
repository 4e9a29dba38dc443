internal import ArgumentParser
internal import TelpherHosts

/// The options of `on` for several hosts.
struct FanOutOptions: ParsableArguments {
  @Option(
    name: [.customShort("f"), .customLong("fan-out")],
    help: ArgumentHelp(
      "The most hosts at once; \(FanOutSettings.defaultWidth) by default.", valueName: "n"))
  var width: Int?

  @Flag(
    name: [.customShort("b"), .customLong("fold")],
    help: ArgumentHelp(
      "Prints equal outputs once, with the hosts that gave them, at the end.",
      discussion: """
        Each output is kept until then, on disk if it is long (in $TMPDIR, else /var/tmp), and may have \
        at most \(OutputStore.longest >> 20) MiB.
        """))
  var folds = false

  @Flag(
    name: [.customShort("L"), .customLong("in-order")],
    help: "Prints the output of one host after the other, in the order of the hosts.")
  var inOrder = false

  @Flag(
    name: [.customShort("S"), .customLong("largest")],
    help: ArgumentHelp(
      "Ends with the largest exit status of any host.",
      discussion: """
        A host that is unreachable or lost counts as 125. Without -S, the status is 0 if the \
        command ran to its end on every host, whatever its status there, and 125 if not.
        """))
  var largest = false

  @Option(
    name: [.customShort("x"), .customLong("exclude")],
    help: ArgumentHelp("Leaves these hosts out. May be repeated.", valueName: "hosts"))
  var excluded: [String] = []

  @Option(
    help: ArgumentHelp(
      "Adds the hosts of a file, or of standard input if it is -. May be repeated.",
      discussion: "Each line is a set of hosts; what follows a # is a comment.", valueName: "file"),
    completion: .file())
  var hostfile: [String] = []

  @Option(
    help: ArgumentHelp(
      "Takes groups and addresses from an Ansible inventory, in INI or YAML.",
      discussion: """
        @GROUP is looked up there, and then in ~/.config/telpher/groups. Of the variables, only \
        ansible_host, ansible_port and ansible_user are used.
        """,
      valueName: "file"),
    completion: .file())
  var inventory: String?

  @Option(
    help: ArgumentHelp(
      "The address of each host, with its name in place of %h; ssh://%h by default.",
      discussion: """
        Without it, hosts of your configuration and of inventories have the addresses given there. %% \
        is a %.
        """,
      valueName: "template"))
  var address: String?

  @Flag(
    help: ArgumentHelp(
      "Stops when the command fails on a host.",
      discussion: "It is then canceled on the hosts where it runs, and not started on others."))
  var firstFailure = false

  @Option(
    help: ArgumentHelp(
      "Runs the command on the first N hosts, and on the others only if it succeeds there.",
      valueName: "n"))
  var canary = 0

  @Flag(
    help: ArgumentHelp(
      "Copies files to every host: --put SOURCE ... DESTINATION in place of the command."))
  var put = false

  @Flag(
    help: ArgumentHelp(
      "Copies from every host: --get PATH ... DIRECTORY in place of the command.",
      discussion: "DIRECTORY gets a folder for each host, with the host's name."))
  var get = false

  @Flag(
    name: [.customShort("r"), .customLong("recursive")],
    help: "Copies folders with everything in them; for --put and --get.")
  var recursive = false

  func validate() throws {
    if let width, !(1...FanOutSettings.maxWidth).contains(width) {
      throw ValidationError("-f takes a number from 1 to \(FanOutSettings.maxWidth)")
    }
    guard canary >= 0 else { throw ValidationError("--canary takes a number of hosts") }
    if folds && inOrder { throw ValidationError("-b and -L cannot be combined") }
    if put && get { throw ValidationError("--put and --get cannot be combined") }
    if recursive && !put && !get { throw ValidationError("-r needs --put or --get") }
    for text in excluded + hostfile + [inventory ?? "", address ?? ""]
    where !ArgumentText.isPlain(text) {
      throw ValidationError("Hosts, addresses and the files with them must be UTF-8")
    }
    if let address { _ = try AddressTemplate(address) }
  }

  /// Whether one of them is given, so that even one host is treated as a set.
  var areUsed: Bool {
    width != nil || folds || inOrder || largest || !excluded.isEmpty || !hostfile.isEmpty
      || inventory != nil || address != nil || firstFailure || canary > 0 || put || get
  }

  /// The values of these options.
  func settings(hosts: String?, json: Bool) -> FanOutSettings {
    FanOutSettings(
      hosts: hosts, excluded: excluded, files: hostfile, inventory: inventory, template: address,
      limits: FanOut.Limits(
        width: width ?? FanOutSettings.defaultWidth, canaries: canary,
        stopsAtFailure: firstFailure),
      largest: largest,
      style: json ? .records : folds ? .folded : inOrder ? .inOrder : .asItComes)
  }

  /// The options without a value, as `ReconnectArgument` needs them.
  static let flags: Set<String> = [
    "-b", "--fold", "-L", "--in-order", "-S", "--largest", "--first-failure", "--put", "--get",
    "-r", "--recursive",
  ]
}

/// On which hosts something is done, and how its outcome is shown: the values of `FanOutOptions`.
struct FanOutSettings: Sendable {
  /// How outputs are printed.
  enum Style: Equatable, Sendable {
    /// Each line as it comes, with its host.
    case asItComes
    /// Equal outputs once, at the end.
    case folded
    /// The lines of each host together, in the order of the hosts.
    case inOrder
    /// One JSON object a host.
    case records
  }

  /// How many hosts are connecting or running at once, by default.
  static let defaultWidth = 64
  /// The most hosts at once: each needs some descriptors and 1 MiB at most for what it sends.
  static let maxWidth = 4_096

  /// The set of hosts that the command line names first.
  var hosts: String?
  /// The values of `--exclude`.
  var excluded: [String] = []
  /// The values of `--hostfile`.
  var files: [String] = []
  /// The value of `--inventory`.
  var inventory: String?
  /// The value of `--address`.
  var template: String?
  /// How hosts are chosen.
  var limits = FanOut.Limits(width: defaultWidth)
  /// Whether the exit status is the largest of any host.
  var largest = false
  /// How outputs are printed.
  var style = Style.asItComes
}
