internal import Glibc
internal import Synchronization
internal import TelpherFileStore
package import TelpherPolicy
package import TelpherTransfer

/// A policy and the folders that it names, which are opened when it is read: what is later put in the
/// place of such a folder is not served.
package struct LoadedPolicy: Sendable {
  /// The policy.
  package let policy: Policy
  /// The files of each list of folders in the rules that do not run as another user.
  private let files: [[PolicyPath]: FileService]
  /// The users that rules name.
  let accounts: [String: Account]

  /// Opens the folders of a policy. One that can't be opened is refused when a client asks for it.
  ///
  /// - Parameters:
  ///   - home: the home of the server's user.
  ///   - accounts: the users that rules name.
  package init(_ policy: Policy, home: [UInt8], accounts: [String: Account] = [:]) {
    self.policy = policy
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
