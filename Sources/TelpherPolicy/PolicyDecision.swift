internal import TelpherText
package import TelpherTransport

/// The answer of a policy to a request.
package enum PolicyDecision: Sendable {
  /// The rule that allows it.
  case allowed(PolicyRule)
  /// No rule allows it.
  case denied(PolicyDenial)
}

/// Why a request is denied.
package struct PolicyDenial: Error, Sendable {
  /// What a rule lacks.
  package enum Reason: Sendable {
    /// A pattern for the command.
    case command
    /// `shell`.
    case shell
    /// `terminal`.
    case terminal
    /// This variable in `accept_environment`.
    case variable(String)
    /// `commands: any`: the client asks for an environment that starts empty.
    case emptyEnvironment
    /// `commands: any`: the client chooses the working directory.
    case directory
    /// A folder to read.
    case read(PolicyPath)
    /// A folder to write.
    case write(PolicyPath)
    /// A folder to read or to write.
    case look(PolicyPath)
    /// An address, after the action that needs it, as text.
    case address(String, StreamTarget)
    /// An address to listen at.
    case accept

    /// How close a rule came to allowing the request; the greatest rank came closest.
    fileprivate var rank: Int {
      switch self {
      case .command, .shell, .read, .write, .look, .address, .accept: 0
      case .terminal, .variable, .emptyEnvironment, .directory: 1
      }
    }

    /// What the client may not do.
    package var text: String {
      switch self {
      case .command: "you may not run this command"
      case .shell: "you may not run lines for a shell"
      case .terminal: "you may use no terminal"
      case .variable(let name):
        "you may not set the variable \(ShownText.escaped(name)) for this command"
      case .emptyEnvironment: "you may not remove the environment of this command"
      case .directory: "you may not choose the working directory of this command"
      case .read(let path): "you may not read \(ShownText.path(path.written))"
      case .write(let path): "you may not change \(ShownText.path(path.written))"
      case .look(let path):
        "you may neither read nor change \(ShownText.path(path.written))"
      case .address(let what, let address): "you may not \(what) \(address)"
      case .accept: "you may accept no connections"
      }
    }
  }

  /// The rules for the identity, by their lines, and why each does not allow the request.
  package let reasons: [(line: Int, reason: Reason)]
  private let whole: Reason?

  /// A denial by rules that are for the identity.
  init(_ reasons: [(line: Int, reason: Reason)]) {
    self.reasons = reasons
    whole = reasons.max { $0.reason.rank < $1.reason.rank }?.reason
  }

  /// The reason, for the client. It says nothing about other identities.
  package var message: String {
    "the server's policy does not allow this: \(whole?.text ?? "it has no rule for you")"
  }
}

extension PolicyDenial {
  /// The number of the line of the rule that came closest to allowing the request; nil if no rule is
  /// for the identity.
  package var nearestLine: Int? {
    reasons.max { $0.reason.rank < $1.reason.rank }?.line
  }
}
