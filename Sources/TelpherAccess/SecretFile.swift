internal import Glibc
internal import TelpherTransport

/// A small file that holds a secret (a token or a key) and that only its owner may read.
///
/// Reading accepts only a regular file that belongs to the effective user and that no other user
/// can read or write. So it rejects a file that another user created beforehand, never waits for a
/// FIFO, and follows no symbolic link. Writing is atomic: the complete file appears under its name,
/// or nothing does.
public struct SecretFile: Sendable {
  /// The path of the file.
  package let path: String

  /// The longest secret, in bytes: a private key in PEM takes about 3 KiB.
  package static let maxLength = 16_384

  /// A secret file at `path`. The file need not exist.
  package init(_ path: String) { self.path = path }

  /// The default path of a secret: `$XDG_CONFIG_HOME/telpher/NAME`, or else
  /// `~/.config/telpher/NAME`.
  package static func defaultPath(of name: String, environment: [String: String]) -> String {
    let home = environment["HOME"] ?? "/"
    let config = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 }
    return "\(config ?? "\(home)/.config")/telpher/\(name)"
  }

  /// Why a secret can't be read or stored. The message names the file.
  public struct Failure: Error, Sendable, CustomStringConvertible {
    /// The message for the user.
    public let description: String

    /// A failure with this message.
    package init(_ description: String) { self.description = description }

    /// A failed system call: what was attempted, and its error number (errno(3)).
    init(_ what: String, errno number: Int32) {
      description = "\(what): \(describe(errno: number))"
    }
  }

  /// Reads the whole file.
  ///
  /// - Throws: `Failure` if the file does not exist, is not a regular file, belongs to another
  ///   user, can be read or written by others, or is longer than `maxLength`.
  package func read() throws(Failure) -> [UInt8] {
    let (file, _) = try open()
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: Self.maxLength + 1)
    var count = 0
    while count < bytes.count {
      let taken = bytes.withUnsafeMutableBytes { [count] buffer in
        Glibc.read(file, buffer.baseAddress! + count, buffer.count - count)
      }
      if taken < 0 && errno == EINTR { continue }
      guard taken >= 0 else { throw Failure("cannot read the secret file \(path)", errno: errno) }
      if taken == 0 { break }
      count += taken
    }
    guard count <= Self.maxLength else {
      throw Failure("the secret file \(path) is longer than \(Self.maxLength) bytes")
    }
    return Array(bytes.prefix(count))
  }

  /// Reads the whole file. If nothing exists at the path, first stores what `make` returns.
  ///
  /// - Throws: as `read()` and `create(_:)`.
  package func read(orStore make: () -> [UInt8]) throws(Failure) -> [UInt8] {
    // If two processes start at once, one of them stores its secret and both read it.
    if !exists { _ = try create(make()) }
    return try read()
  }

  /// A value that changes whenever the file is replaced or written. It does not read the contents.
  ///
  /// - Throws: `Failure`, as `read()` does.
  func version() throws(Failure) -> Version {
    let (file, status) = try open()
    close(file)
    return Version(
      device: status.st_dev, inode: status.st_ino, size: status.st_size,
      modified: status.st_mtim.nanoseconds, changed: status.st_ctim.nanoseconds)
  }

  /// The file's identity, size and times, as fstat(2) reports them.
  struct Version: Sendable, Equatable {
    let device: dev_t
    let inode: ino_t
    let size: off_t
    let modified: Int64
    let changed: Int64
  }

  /// Opens the file and checks its owner and permissions. The caller closes the descriptor.
  private func open() throws(Failure) -> (file: Int32, status: stat) {
    // O_NONBLOCK: opening a FIFO would otherwise block until another process opens it for writing.
    let flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC
    let file = Glibc.open(path, flags)
    guard file >= 0 else {
      if errno == ELOOP {
        throw Failure("the secret file \(path) is a symbolic link, which Telpher does not follow")
      }
      throw Failure("cannot open the secret file \(path)", errno: errno)
    }
    var status = stat()
    guard fstat(file, &status) == 0 else {
      defer { close(file) }
      throw Failure("cannot examine the secret file \(path)", errno: errno)
    }
    if let fault = Self.fault(of: status, path) {
      close(file)
      throw Failure(fault)
    }
    return (file, status)
  }

  private static func fault(of status: stat, _ path: String) -> String? {
    if status.st_mode & S_IFMT != S_IFREG { return "the secret file \(path) is not a regular file" }
    if status.st_uid != geteuid() {
      return
        "the secret file \(path) belongs to user \(status.st_uid), not to you (user \(geteuid())): remove it, or name another file"
    }
    if status.st_mode & 0o077 != 0 {
      return
        "other users can read or write the secret file \(path): run chmod 600 on it, or remove it"
    }
    return nil
  }

  // MARK: Writing

  /// Whether anything exists at the path. A dangling symbolic link counts.
  package var exists: Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// Stores `bytes` if nothing exists at the path yet. Creates missing parent folders with mode
  /// 0700.
  ///
  /// - Returns: true if this call stored the secret. Of several concurrent calls exactly one
  ///   returns true.
  /// - Throws: `Failure`.
  package func create(_ bytes: [UInt8]) throws(Failure) -> Bool {
    try makeFolders()
    let temporary = try write(bytes)
    defer { unlink(temporary) }
    // link(2), unlike rename(2), never replaces an existing file.
    if link(temporary, path) == 0 { return true }
    guard errno == EEXIST else {
      throw Failure("cannot make the secret file \(path)", errno: errno)
    }
    return false
  }

  /// Replaces the file with one that holds `bytes`, atomically: a reader sees the old contents or
  /// the complete new ones.
  ///
  /// - Throws: `Failure` if an existing file is not a secret file that `read()` accepts, or if the
  ///   new one can't be stored; the old file is then unchanged.
  package func replace(_ bytes: [UInt8]) throws(Failure) {
    if exists { _ = try version() }
    try makeFolders()
    let temporary = try write(bytes)
    guard rename(temporary, path) == 0 else {
      let failure = Failure("cannot replace the secret file \(path)", errno: errno)
      unlink(temporary)
      throw failure
    }
  }

  /// Writes a new temporary file next to the path and returns its path.
  private func write(_ bytes: [UInt8]) throws(Failure) -> String {
    precondition(bytes.count <= Self.maxLength, "read() accepts every secret that is written")
    let temporary = "\(path).\(UInt64.random(in: 0 ... .max))"
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    let file = Glibc.open(temporary, flags, 0o600)
    guard file >= 0 else { throw Failure("cannot make the file \(temporary)", errno: errno) }
    defer { close(file) }
    guard Glibc.write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0 else {
      let failure = Failure("cannot write the file \(temporary)", errno: errno)
      unlink(temporary)
      throw failure
    }
    return temporary
  }

  private func makeFolders() throws(Failure) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    for end in parts.indices.dropLast() where end > 0 {
      let folder = parts[...end].joined(separator: "/")
      guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
        throw Failure("cannot make the folder \(folder)", errno: errno)
      }
    }
  }
}

extension timespec {
  fileprivate var nanoseconds: Int64 { Int64(tv_sec) &* 1_000_000_000 &+ Int64(tv_nsec) }
}
