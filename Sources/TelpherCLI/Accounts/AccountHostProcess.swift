internal import Glibc
internal import TelpherAccess
internal import TelpherKeys
internal import TelpherPolicy
internal import TelpherServer
internal import TelpherTransport

/// The processes of a server of root that act as other users.
struct AccountHostProcesses: AccountHosts {
  /// The folder of the server's jobs, beside which the sockets of the processes are.
  let jobs: JobsPlace

  func host(for use: AccountUse) -> any StreamHost {
    AccountHostProcess(
      use: use, place: JobsPlace("\(jobs.folder)-as/\(use.folderName)"),
      retention: RetentionFile(path: SystemString(jobs.retentionFile)))
  }
}

/// Starts a process that acts as another user: this program with the hidden command `account-host`. It
/// gives up root before it reads anything from a client.
struct AccountHostProcess: StreamHost {
  let use: AccountUse
  /// The folder of its socket, into which only root may go.
  let place: JobsPlace
  /// How long the jobs of the process are kept after their end: as those of the server.
  let retention: RetentionFile

  var address: SocketAddress { .unix(path: place.socket) }
  var owner: UInt32 { use.account.user }
  var name: String { "the process that acts as the user \(use.account.name)" }

  func start() -> String? {
    do throws(Failure) {
      try place.prepare()
    } catch {
      return error.message
    }
    var arguments = [
      "account-host", "--socket", place.socket, "--user", use.account.name, "--jobs-folder",
      use.client.folderName,
    ]
    if let retention = retention.read() {
      arguments += ["--keep-jobs-ms", "\(retention.maxAgeMS)"]
      if let bytes = retention.maxBytes { arguments += ["--keep-jobs-bytes", "\(bytes)"] }
    }
    for folder in use.folders {
      arguments += ["--folder", String(decoding: folder.written, as: UTF8.self)]
    }
    return HostProcess.start(arguments)
  }
}

extension AccountUse {
  /// A name for a folder of this use: 20 hexadecimal digits of a digest.
  fileprivate var folderName: String {
    let parts =
      [client.folderName, account.name, "\(account.user)"]
      + folders.map { String(decoding: $0.written, as: UTF8.self) }
    let digest = KeyDigest.sha256(Array(parts.joined(separator: "\0").utf8))
    return Hexadecimal.text(Array(digest.prefix(10)))
  }
}
