internal import TelpherHosts

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
