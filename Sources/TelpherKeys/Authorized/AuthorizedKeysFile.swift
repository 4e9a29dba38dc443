internal import CTelpherAccount
internal import Glibc
internal import Synchronization
internal import TelpherTransport

/// An authorized_keys file, which is read again when it changes. Any thread may use it.
///
/// As with sshd's StrictModes, it counts only if no other user but root can change it: the file and
/// each folder above it, up to the home directory or `/`, must belong to its user or to root, and
/// neither the group nor others may write them.
package final class AuthorizedKeysFile: Sendable {
  /// Its path.
  package let path: String
  private let home: String?
  private let owner: uid_t
  /// The user and the group whose rights the file is opened with; nil for those of this process.
  private let reader: (user: uid_t, group: gid_t)?
  private let maxLength: Int
  private let report: @Sendable (String) -> Void
  private let last = Mutex<(version: Version, keys: AuthorizedKeys)?>(nil)

  /// The longest file of a server in bytes: some 5,000 RSA keys.
  package static let maxLength = 4 << 20
  /// The longest file of one of many users in bytes: some 80 RSA keys. It is read while a client waits,
  /// and a user may change it at any time.
  package static let maxLengthOfUser = 64 << 10
  /// The most refused lines that are reported each time the file is read.
  private static let maxReports = 20
  /// A file that changed less than this many seconds ago is read again even if it looks the same: the
  /// kernel's times have steps of some milliseconds.
  private static let settlingSeconds = 2

  /// The file at `path`. It need not exist.
  ///
  /// - Parameters:
  ///   - home: the home directory, above which folders are not checked.
  ///   - report: called for each line that is refused, when the file has been read.
  package init(_ path: String, home: String?, report: @escaping @Sendable (String) -> Void) {
    owner = geteuid()
    reader = nil
    maxLength = Self.maxLength
    self.path = path
    self.home = home
    self.report = report
  }

  /// The file of a user among many, in the home directory `home`. It is opened with the rights of
  /// that user, since the path may lead anywhere. Needs root unless that is the user of this process.
  package init(ofUser owner: UInt32, group: UInt32, home: String) {
    self.owner = owner
    reader = (owner, group)
    maxLength = Self.maxLengthOfUser
    path = "\(home)/.ssh/authorized_keys"
    self.home = home
    report = { _ in }
  }

  /// What a private key begins with, and what in PEM is no list of keys either.
  private static let armor = Array("-----BEGIN".utf8)

  /// Refuses a file that is a private key: the reports about its lines would put parts of it into a log.
  private func checkIsPublic(_ bytes: [UInt8]) throws(KeyError) {
    let lines = bytes.lazy.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
    guard lines.contains(where: { $0.starts(with: Self.armor) }) else { return }
    throw KeyError("\(path) is a private key or a certificate: name a file of public keys (.pub)")
  }

  /// The keys at this moment. Checks the file and its folders on each call.
  ///
  /// - Throws: `KeyError` if the file can't be read or may not be trusted. No key is then accepted.
  package func current() throws(KeyError) -> AuthorizedKeys {
    let file = open()
    guard file >= 0 else { throw KeyError("cannot open \(path): \(describe(errno: -file))") }
    defer { close(file) }
    let status = try RegularFile.status(file, path)
    try checkTrust(status)
    let version = Version(status)
    if let last = last.withLock({ $0 }), last.version == version,
      time(nil) - status.st_ctim.tv_sec > Self.settlingSeconds
    {
      return last.keys
    }
    let bytes = try RegularFile.read(file, path, limit: maxLength)
    try checkIsPublic(bytes)
    let keys = AuthorizedKeys(bytes)
    let isNew = last.withLock { last in
      defer { last = (version, keys) }
      return last?.version != version
    }
    if isNew { reportRefusals(of: keys) }
    return keys
  }

  /// Opens the file.
  ///
  /// - Returns: the descriptor, or a negated errno.
  private func open() -> Int32 {
    // O_NONBLOCK: opening a FIFO would otherwise block until another process opens it for writing.
    let flags = O_RDONLY | O_NONBLOCK | O_NOCTTY
    if let reader { return telpher_open_as(path, flags, reader.user, reader.group) }
    let file = Glibc.open(path, flags | O_CLOEXEC)
    return file < 0 ? -errno : file
  }

  private func reportRefusals(of keys: AuthorizedKeys) {
    for refusal in keys.refusals.prefix(Self.maxReports) {
      report("\(path), line \(refusal.line): \(refusal.reason); the line grants nothing")
    }
    let left = keys.refusals.count - Self.maxReports
    if left > 0 { report("\(path): \(left) more lines grant nothing") }
  }

  private func checkTrust(_ status: stat) throws(KeyError) {
    if let fault = fault(of: status) { throw KeyError("\(path) \(fault)") }
    guard let resolved = realpath(path, nil) else {
      throw KeyError("cannot find \(path): \(describe(errno: errno))")
    }
    defer { free(resolved) }
    let top = home.flatMap { home in
      realpath(home, nil).map { resolved in
        defer { free(resolved) }
        return String(cString: resolved)
      }
    }
    var folder = String(cString: resolved)[...]
    while let slash = folder.lastIndex(of: "/") {
      folder = folder[..<slash]
      let name = folder.isEmpty ? "/" : String(folder)
      var status = stat()
      guard stat(name, &status) == 0 else {
        throw KeyError("cannot examine \(name): \(describe(errno: errno))")
      }
      if let fault = fault(of: status) {
        throw KeyError("\(path) may not be trusted: its folder \(name) \(fault)")
      }
      if name == top { return }
    }
  }

  private func fault(of status: stat) -> String? {
    guard status.st_uid == owner || status.st_uid == 0 else {
      return "belongs to user \(status.st_uid)"
    }
    guard status.st_mode & 0o022 == 0 else {
      return "can be written by other users: run chmod go-w on it"
    }
    return nil
  }

  /// What changes whenever the file is replaced or written.
  private struct Version: Sendable, Equatable {
    let device: dev_t
    let inode: ino_t
    let size: off_t
    let times: [Int]

    init(_ status: stat) {
      device = status.st_dev
      inode = status.st_ino
      size = status.st_size
      times = [
        status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
        status.st_ctim.tv_nsec,
      ]
    }
  }
}
