package import TelpherText
package import TelpherTransport
package import TelpherWire

/// A job as it is submitted: a command, where it waits, and how often it may be started.
package struct FleetJob: Sendable, Equatable {
  /// How often a job may be started.
  package enum Policy: Sendable, Equatable {
    /// At most once. If its worker is gone, it is `lost`.
    case once
    /// If its worker is gone, another one starts it again, until it was claimed this many times. The
    /// attempts may overlap.
    case retry(maxAttempts: Int)

    /// The most claims.
    package var maxAttempts: Int {
      switch self {
      case .once: 1
      case .retry(let count): count
      }
    }
  }

  /// Its id.
  package let id: JobID
  /// Where it waits. It is signed with the job, so that a broker can't give it to other workers.
  package let queue: QueueName
  /// The program and its arguments: any bytes but NUL.
  package let argv: [ByteText]
  /// The working directory; nil for the worker's.
  package var directory: ByteText?
  /// Variables that are added to the worker's environment or replace those in it.
  package var environment: [ExactText: ByteText] = [:]
  /// Resource limits, at most one of each kind.
  package var limits: [ResourceLimit] = []
  /// The time after its start at which it is ended, in milliseconds; nil for never.
  package var deadline: Int64?
  /// Whether standard error is merged into standard output.
  package var mergesError = false
  /// How often it may be started.
  package var policy = Policy.once
  /// No worker starts it after this time, in milliseconds since 1970, by the worker's clock; nil for no
  /// limit.
  package var notAfter: Int64?

  /// A job that runs a program.
  package init(id: JobID, queue: QueueName, argv: [ByteText]) {
    self.id = id
    self.queue = queue
    self.argv = argv
  }

  /// The words of the command for people, cut if they are long.
  package var title: String {
    let words = argv.prefix(32).map { ShownText.escaped($0.bytes.prefix(256)) }
    return words.joined(separator: " ")
  }
}

extension FleetJob {
  /// What is wrong with it; nil if nothing is.
  ///
  /// A worker checks this too: a payload comes from anyone with access to the broker.
  package var fault: String? {
    if argv.isEmpty || argv[0].bytes.isEmpty { return "it has no command" }
    if argv.count > FleetLimits.maxWords { return "it has more than \(FleetLimits.maxWords) words" }
    if (argv + [directory].compactMap(\.self)).contains(where: { $0.bytes.contains(0) }) {
      return "a word contains a NUL byte"
    }
    if environment.count > FleetLimits.maxVariables {
      return "it has more than \(FleetLimits.maxVariables) variables"
    }
    for (name, value) in environment {
      let isName = !name.text.isEmpty && !name.text.utf8.contains { $0 == 0 || $0 == 0x3D }
      if !isName || value.bytes.contains(0) { return "a variable is invalid" }
    }
    if Set(limits.map(\.kind)).count < limits.count { return "a limit is given twice" }
    if let deadline, !(1...FleetLimits.maxDeadline).contains(deadline) {
      return "its deadline is not 1 to \(FleetLimits.maxDeadline) ms"
    }
    if case .retry(let count) = policy, !(1...FleetLimits.maxAttempts).contains(count) {
      return "its attempts are not 1 to \(FleetLimits.maxAttempts)"
    }
    return nil
  }
}
