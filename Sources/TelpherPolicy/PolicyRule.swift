package import TelpherText
package import TelpherTransport

/// A rule of a policy: what it allows, and to which identities. A rule never forbids what another one
/// allows.
package struct PolicyRule: Sendable, Equatable {
  /// The number of the line on which it begins, from 1.
  package let line: Int
  /// The identities that it is for.
  package var identities: Set<PolicyIdentity> = []
  /// The commands that it allows, other than lines for a shell.
  package var commands = Commands.matching([])
  /// Whether it allows lines for a shell, and login shells.
  package var allowsShell = false
  /// Whether commands may run on a terminal.
  package var allowsTerminal = false
  /// The folders whose files can be read.
  package var reads: [PolicyPath] = []
  /// The folders in which files can be made, changed and removed.
  package var writes: [PolicyPath] = []
  /// Whether the running commands of all identities can be listed and ended.
  package var allowsJobsOfOthers = false
  /// The addresses to which connections can be made.
  package var connects = Addresses.matching([])
  /// The addresses at which connections can be accepted.
  package var listens = Addresses.matching([])
  /// The variables that the client may set for the commands of a list.
  package var variables: [TextPattern] = []
  /// The variables that every command gets, whatever the client sets.
  package var environment: [ExactText: String] = [:]
  /// The working directory of every command; nil if there is none.
  package var directory: String?
  /// The limits of every command, at most one of each kind. A command that asks for more is denied.
  package var limits: [ResourceLimit] = []
  /// The longest time that a command may run, in milliseconds; nil for no limit.
  package var milliseconds: Int64?
  /// The most commands of one identity at once; nil for no limit.
  package var concurrency: Int?
  /// The user that the server acts as for the client; nil for the server's own user.
  package var runsAs: RunAs?

  /// Commands by their programs and arguments.
  package enum Commands: Sendable, Equatable {
    /// Any command.
    case any
    /// Those that one of the patterns matches.
    case matching([CommandPattern])
  }

  /// Addresses of sockets.
  package enum Addresses: Sendable, Equatable {
    /// Any address.
    case any
    /// Those that one of the patterns matches.
    case matching([AddressPattern])

    /// Whether no address is allowed.
    package var isEmpty: Bool { self == .matching([]) }

    func contains(_ address: StreamTarget) -> Bool {
      switch self {
      case .any: true
      case .matching(let patterns): patterns.contains { $0.matches(address) }
      }
    }
  }

  /// A user of the system.
  package enum RunAs: Sendable, Hashable {
    /// The user of this name.
    case user(String)
    /// The user in whose authorized_keys the client's key is.
    case fromKey
  }

  /// A rule that allows nothing yet.
  init(line: Int) { self.line = line }
}

extension PolicyRule {
  /// Whether it names this subject, not only all clients.
  package func names(_ subject: PolicySubject) -> Bool {
    identities.contains { $0 != .any && subject.isNamed(by: $0) }
  }

  /// Whether it names users of the machine.
  package var namesUsers: Bool {
    identities.contains { identity in
      switch identity {
      case .user, .uid: true
      case .any, .owner, .key, .certificate: false
      }
    }
  }

  /// Whether the rule is for `subject`.
  func isFor(_ subject: PolicySubject) -> Bool {
    guard identities.contains(where: { subject.isNamed(by: $0) }) else { return false }
    switch subject {
    // The key is in the server's own file, so the client is the server's user.
    case .key(_, nil): return true
    // The key is in the file of a user, who chooses its keys: the server acts only as this user for
    // them.
    case .key: return runsAs == .fromKey
    case .owner, .certificate, .user: return runsAs != .fromKey
    }
  }

  /// Why the rule does not allow the request; nil if it does.
  func fault(with request: PolicyRequest) -> PolicyDenial.Reason? {
    switch request {
    case .run(let run): fault(with: run)
    case .files(let files): fault(with: files)
    case .connect(let address): connects.contains(address) ? nil : .address("connect to", address)
    case .listen(let address): listens.contains(address) ? nil : .address("listen at", address)
    case .accept: listens.isEmpty ? .accept : nil
    case .jobs: nil
    }
  }

  private func fault(with run: PolicyRequest.Run) -> PolicyDenial.Reason? {
    guard let argv = run.argv else {
      guard allowsShell else { return .shell }
      return run.usesTerminal && !allowsTerminal ? .terminal : nil
    }
    if case .matching(let patterns) = commands {
      guard !run.isCut, patterns.contains(where: { $0.matches(argv) }) else { return .command }
      // What the client can set could make an allowed program do anything else.
      if let name = run.variables.first(where: { name in
        !variables.contains { $0.matches(Array(name.text.utf8)) }
      }) {
        return .variable(name.text)
      }
      if run.startsEmpty { return .emptyEnvironment }
      if run.choosesDirectory { return .directory }
    }
    return run.usesTerminal && !allowsTerminal ? .terminal : nil
  }

  private func fault(with files: PolicyRequest.Files) -> PolicyDenial.Reason? {
    if let path = files.reads.first(where: { path in !reads.contains { $0.contains(path) } }) {
      return .read(path)
    }
    if let path = files.writes.first(where: { path in !writes.contains { $0.contains(path) } }) {
      return .write(path)
    }
    let looked = files.looks.first { path in !(reads + writes).contains { $0.contains(path) } }
    return looked.map { .look($0) }
  }
}
