internal import Glibc

/// A small file with a secret, which only its owner may read: a token, a key.
///
/// What is read must be a regular file that belongs to the effective user and that nobody else may
/// read or write. So neither a file that another user made beforehand is taken, nor a FIFO waited
/// for, nor a link followed. What is written appears whole under its name, or not at all.
public struct SecretFile: Sendable {
  /// Where it is.
  public let path: String

  /// The longest secret, in bytes: a private key in PEM takes about 3 KiB.
  public static let maxLength = 16_384

  /// A file at `path`, which need not be there.
  public init(_ path: String) { self.path = path }

  /// Why a secret can't be had or stored; the message names the file.
  public struct Failure: Error, Sendable, CustomStringConvertible {
    /// For a person.
    public let description: String

    init(_ description: String) { self.description = description }

    /// `what` failed with the error number of the last system call.
    init(_ what: String, errno number: Int32) {
      description = "\(what): \(String(cString: strerror(number)))"
    }
  }

  /// Its bytes.
  ///
  /// - Throws: `Failure` if it is not there, is no regular file, belongs to another user, can be read
  ///   or written by others, or is longer than `maxLength`.
  public func read() throws(Failure) -> [UInt8] {
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

  /// What changes whenever the file is replaced or written: it costs no reading.
  ///
  /// - Throws: `Failure` as `read()`.
  func version() throws(Failure) -> Version {
    let (file, status) = try open()
    close(file)
    return Version(
      device: status.st_dev, inode: status.st_ino, size: status.st_size,
      modified: status.st_mtim.nanoseconds, changed: status.st_ctim.nanoseconds)
  }

  /// See `version()`.
  struct Version: Sendable, Equatable {
    let device: dev_t
    let inode: ino_t
    let size: off_t
    let modified: Int64
    let changed: Int64
  }

  /// Opens the file and checks whose it is. The descriptor is the caller's to close.
  private func open() throws(Failure) -> (file: Int32, status: stat) {
    // Without waiting: a FIFO would wait for its writer for ever.
    let flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC
    let file = Glibc.open(path, flags)
    guard file >= 0 else {
      if errno == ELOOP {
        throw Failure("the secret file \(path) is a symbolic link, which is not followed")
      }
      throw Failure("cannot open the secret file \(path)", errno: errno)
    }
    var status = stat()
    guard fstat(file, &status) == 0 else {
      defer { close(file) }
      throw Failure("cannot look at the secret file \(path)", errno: errno)
    }
    if let fault = Self.fault(of: status, path) {
      close(file)
      throw Failure(fault)
    }
    return (file, status)
  }

  private static func fault(of status: stat, _ path: String) -> String? {
    if status.st_mode & S_IFMT != S_IFREG { return "the secret file \(path) is no regular file" }
    if status.st_uid != geteuid() {
      return
        "the secret file \(path) belongs to user \(status.st_uid), not to you (user \(geteuid())): remove it, or name another"
    }
    if status.st_mode & 0o077 != 0 {
      return "others can use the secret file \(path): run chmod 600 on it, or remove it"
    }
    return nil
  }

  // MARK: Writing

  /// Whether anything stands at the path, a link that leads nowhere included.
  public var exists: Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// Stores `bytes` if nothing stands at the path yet. Folders that are missing are made, for their
  /// owner alone.
  ///
  /// - Returns: whether it was stored; of several that do it at once, one does.
  /// - Throws: `Failure`.
  public func create(_ bytes: [UInt8]) throws(Failure) -> Bool {
    try makeFolders()
    let temporary = try write(bytes)
    defer { unlink(temporary) }
    // A link does not replace what is there.
    if link(temporary, path) == 0 { return true }
    guard errno == EEXIST else {
      throw Failure("cannot make the secret file \(path)", errno: errno)
    }
    return false
  }

  /// Stores `bytes` in the place of what stands there, at once: a reader finds the old ones or all
  /// of the new ones.
  ///
  /// - Throws: `Failure`; then what was there is as it was.
  public func replace(_ bytes: [UInt8]) throws(Failure) {
    try makeFolders()
    let temporary = try write(bytes)
    guard rename(temporary, path) == 0 else {
      let failure = Failure("cannot replace the secret file \(path)", errno: errno)
      unlink(temporary)
      throw failure
    }
  }

  /// Writes a new file beside the path.
  private func write(_ bytes: [UInt8]) throws(Failure) -> String {
    precondition(bytes.count <= Self.maxLength, "a secret can be read again")
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
