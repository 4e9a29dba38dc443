internal import Glibc
internal import Synchronization
internal import TelpherFileStore
package import TelpherPolicy
package import TelpherTransfer

/// A policy and the folders that it names. They are opened when the policy is read, so a folder that
/// later takes the place of one is not served.
package struct LoadedPolicy: Sendable {
  /// The policy.
  package let policy: Policy
  /// The files of each list of folders in the rules that do not run as another user.
  private let files: [[PolicyPath]: FileService]
  /// The users that rules name.
  let accounts: [String: Account]
  /// The names of the users of the machine that rules are for, by their ids.
  private let users: [UInt32: String]

  /// Opens the folders of a policy. One that can't be opened is refused when a client asks for it.
  ///
  /// - Parameters:
  ///   - home: the home of the server's user.
  ///   - accounts: the users as whom rules act.
  ///   - users: the names of the users that rules are for, by their ids.
  package init(
    _ policy: Policy, home: [UInt8], accounts: [String: Account] = [:],
    users: [UInt32: String] = [:]
  ) {
    self.policy = policy
    self.users = users
    self.accounts = accounts
    var files: [[PolicyPath]: FileService] = [:]
    for rule in policy.rules {
      // Another user's process opens its own.
      if case .user(let name) = rule.runsAs, accounts[name]?.user != geteuid() { continue }
      for list in [rule.reads, rule.writes, rule.reads + rule.writes]
      where files[list] == nil && !list.isEmpty {
        files[list] = Self.files(in: list, home: home)
      }
    }
    self.files = files
  }

  /// The subject that a user of the machine is.
  func subject(ofUser uid: UInt32) -> PolicySubject { .user(uid: uid, name: users[uid]) }

  /// Whether a rule is for this user of the machine, which is not the server's user. A rule for all clients is
  /// not: it does not let other users in.
  func admits(user uid: UInt32) -> Bool {
    let subject = subject(ofUser: uid)
    return policy.rules.contains { $0.names(subject) }
  }

  /// Whether a rule is for users of the machine other than the server's.
  package var admitsUsers: Bool { policy.rules.contains(where: \.namesUsers) }

  /// The folders of rules that could not be opened, with the reasons.
  package var faults: [String] { Set(files.values.flatMap(\.scope.faults)).sorted() }

  /// The files of the folders of a rule: none if it names no folder.
  func files(in folders: [PolicyPath]) -> FileService {
    files[folders] ?? FileService(FileScope(of: []))
  }

  /// The files of these folders.
  package static func files(in folders: [PolicyPath], home: [UInt8]) -> FileService {
    // Links may lead from one place to any other if all files are served.
    if folders.contains(where: \.isEverything), let all = try? FileScope(home: home) {
      return FileService(all)
    }
    return FileService(
      FileScope(
        of: folders.map { ServedFolder($0.bytes, inHome: $0.isFromHome ? home : nil) }))
  }
}

/// The policy of a server at this moment. Any thread may use it.
package final class PolicySource: Sendable {
  private let loaded: Mutex<LoadedPolicy>

  /// A source of this policy until it is replaced.
  package init(_ policy: LoadedPolicy) { loaded = Mutex(policy) }

  /// The policy now.
  package var current: LoadedPolicy { loaded.withLock { $0 } }

  /// Replaces the policy. It decides about all later requests, also on open connections.
  package func replace(by policy: LoadedPolicy) { loaded.withLock { $0 = policy } }
}
