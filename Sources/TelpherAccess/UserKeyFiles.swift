internal import Glibc
internal import Synchronization
package import TelpherKeys

/// The `~/.ssh/authorized_keys` of the users of the system, each checked as sshd does. Any thread may use
/// it.
package final class UserKeyFiles: Sendable {
  /// The keys of one user.
  package struct UserKeys: Sendable {
    /// The user.
    package let account: Account
    /// The keys of the file, or none if it may not be trusted.
    package let keys: AuthorizedKeys
  }

  private struct UserFile: Sendable {
    let account: Account
    let file: AuthorizedKeysFile
  }

  /// The most users whose files are read: each proof reads all of them, so that its time says nothing
  /// about one of them.
  package static let maxUsers = 1_000
  private static let passwords = "/etc/passwd"
  private let state = Mutex<(changed: Int, files: [UserFile])?>(nil)

  /// The files of all users that have a shell.
  package init() {}

  /// The keys of each user at this moment.
  package func current() -> [UserKeys] {
    files().map { user in
      UserKeys(account: user.account, keys: (try? user.file.current()) ?? AuthorizedKeys())
    }
  }

  /// The files, which are looked up again when the list of users has changed.
  private func files() -> [UserFile] {
    var status = stat()
    let changed = stat(Self.passwords, &status) == 0 ? status.st_mtim.tv_sec : 0
    return state.withLock { state in
      if let state, state.changed == changed, changed < time(nil) - 1 { return state.files }
      // Files that are known keep what they have read.
      let known = Dictionary((state?.files ?? []).map { ($0.file.path, $0) }) { first, _ in first }
      let files = Self.users().map { account, group, home in
        let file = AuthorizedKeysFile(ofUser: account.user, group: group, home: home)
        if let known = known[file.path], known.account == account { return known }
        return UserFile(account: account, file: file)
      }
      state = (changed, files)
      return files
    }
  }

  /// The users that may log in, with their homes.
  private static func users() -> [(Account, group: UInt32, home: String)] {
    var users: [(Account, group: UInt32, home: String)] = []
    setpwent()
    defer { endpwent() }
    while users.count < maxUsers, let entry = getpwent() {
      guard let name = entry.pointee.pw_name, let home = entry.pointee.pw_dir,
        let shell = entry.pointee.pw_shell
      else { continue }
      let last = String(cString: shell).split(separator: "/").last
      guard String(cString: home).hasPrefix("/"), last != "nologin", last != "false" else {
        continue
      }
      users.append(
        (
          Account(name: String(cString: name), user: entry.pointee.pw_uid), entry.pointee.pw_gid,
          String(cString: home)
        ))
    }
    return users
  }
}
