package import TelpherText

/// The terms of a command that other streams can attach to: what its client has asked for and what the
/// command has got, as far as they decide who may send it input. Before a client whose rights are
/// restricted sends input to such a command, its server compares them with what the client may do now.
package struct JobTerms: Sendable, Equatable, Codable {
  /// The program and its arguments; nil for a line for a shell, or a login shell. Empty if `isCut`.
  package var argv: [ByteText]?
  /// Whether `argv` and `variables` are left out, because they are longer than `maxLength`; nil is false.
  package var isCut: Bool?
  /// Whether it runs on a terminal.
  package var usesTerminal: Bool
  /// The variables that the client has set or removed, in the order of their bytes.
  package var variables: [ExactText]
  /// Whether the client has chosen its working directory, or that its environment starts empty.
  package var choosesDirectory: Bool
  package var startsEmpty: Bool
  /// A digest of the command that the client's key forces; nil if the client has chosen the command.
  package var forced: String?
  /// A digest of the variables and the directory that the server's policy has set; nil for none.
  package var surroundings: String?
  /// The limits that it runs with, by name.
  package var limits: [String: UInt64]
  /// The time after which the server ends it, in milliseconds; nil for none.
  package var deadlineMS: Int64?

  /// The longest `argv` and `variables` together in bytes, which fit into a CLOSE even if each byte is
  /// written as six.
  package static let maxLength = 8 << 10
  /// The bytes that each word counts for beside its own: its quotes, or what marks bytes that are no text.
  private static let overhead = 8

  /// The terms of a request.
  ///
  /// - Parameters:
  ///   - asked: the request as the client has sent it.
  ///   - forced: a digest of the command that the client's key forces.
  ///   - surroundings: a digest of what the server's policy sets.
  package init(of asked: RunRequest, forced: String?, surroundings: String?) {
    let isShell = asked.login == true || asked.shell != nil
    argv = isShell ? nil : asked.argv
    usesTerminal = asked.terminal != nil
    variables = (asked.env ?? [:]).keys.sorted()
    choosesDirectory = asked.cwd != nil
    startsEmpty = asked.cleanEnv == true
    self.forced = forced
    self.surroundings = surroundings
    limits = [:]
    let length =
      (argv ?? []).reduce(0) { $0 + $1.bytes.count + Self.overhead }
      + variables.reduce(0) { $0 + $1.text.utf8.count + Self.overhead }
    guard length > Self.maxLength else { return }
    (argv, variables, isCut) = (argv == nil ? nil : [], [], true)
  }

  /// Whether a command with these terms is the one that a request with the terms `new` would start now,
  /// and has no more than that.
  package func isWithin(_ new: JobTerms) -> Bool {
    var (own, other) = (self, new)
    (own.limits, own.deadlineMS) = ([:], nil)
    (other.limits, other.deadlineMS) = ([:], nil)
    // What was left out could differ.
    return own == other && isCut != true && isWithin(new.limits, deadlineMS: new.deadlineMS)
  }

  /// Whether the limits are at least as strict as these.
  ///
  /// - Parameters:
  ///   - ceilings: limits by name.
  ///   - longest: the longest time in milliseconds; nil for no limit.
  package func isWithin(_ ceilings: [String: UInt64], deadlineMS longest: Int64?) -> Bool {
    if let longest {
      guard let deadlineMS, deadlineMS <= longest else { return false }
    }
    return ceilings.allSatisfy { name, ceiling in
      guard let own = limits[name] else { return false }
      // A higher niceness is stricter.
      return name == "nice" ? own >= ceiling : own <= ceiling
    }
  }

  enum CodingKeys: String, CodingKey {
    case argv, variables, forced, surroundings, limits
    case isCut = "cut"
    case usesTerminal = "terminal"
    case choosesDirectory = "cwd"
    case startsEmpty = "clean_env"
    case deadlineMS = "deadline_ms"
  }
}

extension RunRequest {
  /// The terms with the limits that the command gets.
  package func terms(with limits: [String: UInt64]) -> JobTerms? {
    guard var terms else { return nil }
    (terms.limits, terms.deadlineMS) = (limits, deadlineMS)
    return terms
  }
}
