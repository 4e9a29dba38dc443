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
    /// Why the user may not log in, for the server's log; nil if it may.
    package let fault: String?
  }

  private struct UserFile: Sendable {
    let account: Account
    let login: Login
    let file: AuthorizedKeysFile
  }

  /// The most users whose files are read: each proof reads all of them, so that its time says nothing
  /// about one of them.
  package static let maxUsers = 1_000
  /// What the list of users is made of.
  private static let sources = ["/etc/passwd", "/etc/shadow"]
  private let state = Mutex<(versions: [Version], files: [UserFile])?>(nil)

  /// What differs if a file was changed.
  private struct Version: Equatable {
    var file: UInt = 0
    var size: Int = 0
    var seconds: Int = 0
    var nanoseconds: Int = 0

    init(of path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return }
      (file, size) = (UInt(status.st_ino), Int(status.st_size))
      (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
    }
  }

  /// The files of all users that have a shell.
  package init() {}

  /// The keys of each user at this moment.
  package func current() -> [UserKeys] {
    let (files, system) = files()
    return files.map { user in
      UserKeys(
        account: user.account, keys: (try? user.file.current()) ?? AuthorizedKeys(),
        fault: user.login.fault(system))
    }
  }

  /// The files, which are looked up again when the list of users has changed, and the rules of the system
  /// for logins.
  private func files() -> ([UserFile], Login.System) {
    let versions = Self.sources.map { Version(of: $0) }
    return state.withLock { state in
      let system = Login.System.current()
      if let state, state.versions == versions,
        versions.allSatisfy({ $0.seconds < time(nil) - 1 })
      {
        return (state.files, system)
      }
      // Files that are known keep what they have read.
      let known = Dictionary((state?.files ?? []).map { ($0.file.path, $0) }) { first, _ in first }
      let files = Self.users().map { user in
        let file = AuthorizedKeysFile(
          ofUser: user.account.user, group: user.group, home: user.home)
        let old = known[file.path]
        return UserFile(
          account: user.account, login: user.login,
          file: old?.account == user.account ? old?.file ?? file : file)
      }
      state = (versions, files)
      return (files, system)
    }
  }

  /// A user that has a shell.
  private struct User {
    let account: Account
    let group: UInt32
    let home: String
    let login: Login
  }

  /// The users that have a shell.
  private static func users() -> [User] {
    var users: [User] = []
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
        User(
          account: Account(name: String(cString: name), user: entry.pointee.pw_uid),
          group: entry.pointee.pw_gid, home: String(cString: home), login: Login(entry.pointee)))
    }
    return users
  }
}
