internal import Glibc
internal import TelpherTransport

/// A file of host keys. Several processes may use it at once: a process that changes it holds its
/// lock.
package struct KnownHostsFile: Sendable {
  /// Its path.
  package let path: String

  /// The longest file in bytes: some 50,000 hosts. It is read whole for each connection.
  package static let maxLength = 8 << 20

  /// The file at `path`. It need not exist.
  package init(_ path: String) { self.path = path }

  /// Telpher's own file: `$XDG_CONFIG_HOME/telpher/known_hosts`, or else
  /// `~/.config/telpher/known_hosts`.
  package static func defaultPath(environment: [String: String]) -> String {
    let home = environment["HOME"] ?? "/"
    let config = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 }
    return "\(config ?? "\(home)/.config")/telpher/known_hosts"
  }

  /// Reads the file. A file that does not exist lists no hosts.
  ///
  /// - Throws: `KeyError` if it can't be read or other users can write it: they could add a key.
  package func read() throws(KeyError) -> KnownHosts {
    guard let contents = try RegularFile.read(path, limit: Self.maxLength) else {
      return KnownHosts("")
    }
    try checkOwner(contents.status)
    return KnownHosts(String(decoding: contents.bytes, as: UTF8.self))
  }

  private func checkOwner(_ status: stat) throws(KeyError) {
    guard status.st_uid == geteuid() || status.st_uid == 0 else {
      throw KeyError("\(path) belongs to user \(status.st_uid), who could add a key to it")
    }
    guard status.st_mode & 0o022 == 0 else {
      throw KeyError("other users can write \(path): run chmod go-w on it")
    }
  }

  /// Adds the key of a host in a new line. Creates the file (mode 0600) and missing folders (0700).
  ///
  /// - Throws: `KeyError` if it can't be added; the file is then as it was.
  package func add(_ key: SSHPublicKey, of host: String, port: UInt16) throws(KeyError) {
    try makeFolders()
    let file = try openLocked()
    defer { close(file) }
    try checkOwner(try RegularFile.status(file, path))
    let length = lseek(file, 0, SEEK_END)
    guard length >= 0 else { throw KeyError("cannot read \(path): \(describe(errno: errno))") }
    var line = KnownHosts.line(for: key, of: host, port: port)
    var last: UInt8 = 0
    if length > 0, pread(file, &last, 1, length - 1) == 1, last != UInt8(ascii: "\n") {
      line = "\n" + line
    }
    do throws(KeyError) {
      try RegularFile.write(Array(line.utf8), to: file, path)
    } catch {
      ftruncate(file, length)
      throw error
    }
  }

  /// What `forget` did.
  package struct Forgotten: Sendable, Equatable {
    /// The lines that listed the host, as they were numbered before.
    package let removed: [Int]
    /// The lines that list the host by a pattern for several names. They stay.
    package let patterns: [Int]
  }

  /// Removes a host's keys. Lines that revoke keys stay.
  ///
  /// - Throws: `KeyError` if the file can't be read or replaced; it is then as it was.
  package func forget(_ host: String, port: UInt16) throws(KeyError) -> Forgotten {
    guard access(path, F_OK) == 0 else { return Forgotten(removed: [], patterns: []) }
    let file = try openLocked()
    defer { close(file) }
    let status = try RegularFile.status(file, path)
    try checkOwner(status)
    let bytes = try RegularFile.read(file, path, limit: Self.maxLength)
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.utf8.elementsEqual(bytes) else {
      throw KeyError("\(path) is not UTF-8, so it can't be rewritten: remove the line by hand")
    }
    let result = KnownHosts.forgetting(host, port: port, in: text)
    if !result.removed.isEmpty {
      try replace(Array(result.text.utf8), mode: status.st_mode & 0o777)
    }
    return Forgotten(removed: result.removed, patterns: result.patterns)
  }

  /// Opens the file and locks it. The caller closes it.
  private func openLocked() throws(KeyError) -> Int32 {
    while true {
      let flags = O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
      let file = open(path, flags, 0o600)
      guard file >= 0 else { throw KeyError("cannot open \(path): \(describe(errno: errno))") }
      var own = stat()
      var named = stat()
      // Another process may have replaced the file while this one waited for its lock.
      if flock(file, LOCK_EX) == 0, fstat(file, &own) == 0, stat(path, &named) == 0,
        own.st_ino == named.st_ino, own.st_dev == named.st_dev
      {
        return file
      }
      let number = errno
      close(file)
      if number == EINTR || own.st_ino != named.st_ino { continue }
      throw KeyError("cannot lock \(path): \(describe(errno: number))")
    }
  }

  /// Replaces the file that the path leads to, through links, at once or not at all.
  private func replace(_ bytes: [UInt8], mode: mode_t) throws(KeyError) {
    guard let resolved = realpath(path, nil) else {
      throw KeyError("cannot find \(path): \(describe(errno: errno))")
    }
    defer { free(resolved) }
    let target = String(cString: resolved)
    let temporary = "\(target).\(UInt64.random(in: 0 ... .max))"
    let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw KeyError("cannot make \(temporary): \(describe(errno: errno))") }
    defer { close(file) }
    do throws(KeyError) {
      try RegularFile.write(bytes, to: file, temporary)
      guard fchmod(file, mode) == 0, rename(temporary, target) == 0 else {
        throw KeyError("cannot replace \(target): \(describe(errno: errno))")
      }
    } catch {
      unlink(temporary)
      throw error
    }
  }

  private func makeFolders() throws(KeyError) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    for end in parts.indices.dropLast() where end > 0 {
      let folder = parts[...end].joined(separator: "/")
      guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
        throw KeyError("cannot make the folder \(folder): \(describe(errno: errno))")
      }
    }
  }
}
