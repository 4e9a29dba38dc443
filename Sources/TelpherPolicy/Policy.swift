package import TelpherTransport

/// What each client may do. What no rule allows is denied.
///
///     groups:
///       deployers: ["SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "cert:ci.example"]
///     rules:
///       - for: owner
///         allow: all
///       - for: deployers
///         commands:
///           - [systemctl, restart, "web-*"]
///           - [journalctl, -u, "web-*", "..."]
///         write: [/srv/web]
///         limits: {memory: 1G, time: 10m, concurrency: 4}
///         run_as: deploy
///
/// The first rule that is for the client and allows the request decides: its limits, environment and
/// user apply. docs/POLICY.md describes each key.
package struct Policy: Sendable, Equatable {
  /// The rules in their order.
  package let rules: [PolicyRule]

  /// The longest file in bytes: some 10,000 rules. The server reads it between its other work.
  package static let maxLength = 1 << 20

  /// Reads a policy.
  ///
  /// - Parameters:
  ///   - file: the name of the file, for errors.
  ///   - values: reads the values of limits.
  /// - Throws: `PolicyError`.
  package init(parsing text: String, file: String, _ values: PolicyValues) throws(PolicyError) {
    guard text.utf8.count <= Self.maxLength else {
      throw PolicyError(
        file: file, line: 1, message: "the policy is longer than \(Self.maxLength) bytes")
    }
    do throws(PolicyFault) {
      var reader = PolicyReader(values)
      rules = try reader.rules(of: text)
    } catch {
      throw PolicyError(file: file, line: error.line, message: error.message)
    }
  }

  /// Decides about a request.
  package func decide(_ request: PolicyRequest, by subject: PolicySubject) -> PolicyDecision {
    var reasons: [(line: Int, reason: PolicyDenial.Reason)] = []
    for rule in rules where rule.isFor(subject) {
      guard let reason = rule.fault(with: request) else { return .allowed(rule) }
      reasons.append((rule.line, reason))
    }
    return .denied(PolicyDenial(reasons))
  }

  /// Whether a client may list and end the commands of all identities.
  package func allowsJobsOfOthers(to subject: PolicySubject) -> Bool {
    rules.contains { $0.allowsJobsOfOthers && $0.isFor(subject) }
  }

  /// Whether clients may prove keys from the authorized_keys of their users.
  package var usesKeysOfUsers: Bool { rules.contains { $0.runsAs == .fromKey } }
}

/// Reads the values of limits, as the command line does.
package struct PolicyValues: Sendable {
  /// A value that can't be read, with the reason.
  package struct Mistake: Error {
    /// The reason, in plain text.
    package let message: String

    /// A mistake.
    package init(_ message: String) { self.message = message }
  }

  /// Reads the limit with this name and value.
  package let limit: @Sendable (_ name: String, _ value: String) throws(Mistake) -> ResourceLimit
  /// Reads a duration in milliseconds.
  package let milliseconds: @Sendable (_ value: String) throws(Mistake) -> Int64

  /// Readers of values.
  package init(
    limit: @escaping @Sendable (_ name: String, _ value: String) throws(Mistake) -> ResourceLimit,
    milliseconds: @escaping @Sendable (_ value: String) throws(Mistake) -> Int64
  ) {
    (self.limit, self.milliseconds) = (limit, milliseconds)
  }
}
