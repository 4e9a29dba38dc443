internal import Glibc

/// What could not be done with a file.
public struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Kinds of failure. More may come: compare, don't switch.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// A stable name.
    public let description: String
    /// The path is not one that may be used: it leads out of the root, or breaks a rule of
    /// `RelativePath`.
    public static let badPath = Code(description: "bad path")
    /// There is nothing of that name.
    public static let notFound = Code(description: "not found")
    /// The folder that something is to go into is not there.
    public static let noParent = Code(description: "no parent")
    /// There is something of that name already.
    public static let exists = Code(description: "exists")
    /// Not permitted, or on a file system that can't be written to.
    public static let notPermitted = Code(description: "not permitted")
    /// The file system or the quota is full.
    public static let noSpace = Code(description: "no space")
    /// A folder, link, FIFO, socket or device where a regular file is wanted.
    public static let notAFile = Code(description: "not a file")
    /// Something else where a folder is wanted.
    public static let notAFolder = Code(description: "not a folder")
    /// A folder that was to be removed has something in it.
    public static let notEmpty = Code(description: "not empty")
    /// Others hold it just now; it may work later.
    public static let busy = Code(description: "busy")
    /// A file changed while it was read.
    public static let changed = Code(description: "changed")
    /// The bytes that arrived are not those that were sent.
    public static let digestMismatch = Code(description: "digest mismatch")
    /// The kernel or the file system can't do that.
    public static let unsupported = Code(description: "unsupported")
    /// The storage failed (EIO): what was written may be lost.
    public static let io = Code(description: "input/output error")
    /// Larger than the file system, or a limit, allows.
    public static let tooLarge = Code(description: "too large")
    /// Given up because somebody asked for that.
    public static let canceled = Code(description: "canceled")
    /// The connection, or the stream on it, is over before its end.
    public static let lost = Code(description: "lost")
    /// The other side could not store it, or send it.
    public static let remote = Code(description: "remote failure")
    /// The server did not take the request.
    public static let refused = Code(description: "refused")
    /// The peer said what makes no sense.
    public static let protocolError = Code(description: "protocol error")
    /// Anything else; `errno` tells.
    public static let system = Code(description: "system error")
  }

  /// The kind of failure.
  public var code: Code
  /// What was tried, with which path, and what went wrong, for a person:
  /// `cannot write 'a/b': No space left on device`.
  public var message: String
  /// The system's error number (errno(3)), where the system refused.
  public var errno: Int32?
  /// The path in question, for a person.
  public var path: String?

  /// An error.
  public init(_ code: Code, _ message: String, errno: Int32? = nil, path: String? = nil) {
    self.code = code
    self.message = message
    self.errno = errno
    self.path = path
  }

  /// The message.
  public var description: String { message }
}

extension FileError {
  /// The same failure, for a reader who knows the root as `name`.
  package func naming(root name: String) -> FileError {
    let shown = RelativePath.root.description
    guard path == shown else { return self }
    var error = self
    error.path = name
    error.message = message.replacing("'\(shown)'", with: "'\(name)'")
    return error
  }

  /// What the system answered with `errno` to the attempt to, say, `write` the path.
  init(_ attempt: String, _ path: RelativePath, errno: Int32) {
    self.init(
      Code(errno: errno), "cannot \(attempt) '\(path)': \(String(cString: strerror(errno)))",
      errno: errno, path: path.description)
  }

  /// What the system answered with `errno` to the attempt to, say, `read` what a user named.
  init(_ attempt: String, named path: String, errno: Int32) {
    self.init(
      Code(errno: errno), "cannot \(attempt) '\(path)': \(String(cString: strerror(errno)))",
      errno: errno, path: path)
  }

  /// What is in the way of the attempt to, say, `read` the path.
  init(_ code: Code, _ attempt: String, _ path: RelativePath, _ reason: String) {
    self.init(code, "cannot \(attempt) '\(path)': \(reason)", path: path.description)
  }
}

extension FileError.Code {
  /// What an error number of errno(3) means for a file.
  init(errno: Int32) {
    switch errno {
    case ENOENT: self = .notFound
    case EEXIST: self = .exists
    case EACCES, EPERM, EROFS: self = .notPermitted
    case ENOSPC, EDQUOT: self = .noSpace
    case EISDIR: self = .notAFile
    case ENOTDIR: self = .notAFolder
    case ENOTEMPTY: self = .notEmpty
    case EBUSY, ETXTBSY, EAGAIN: self = .busy
    case EIO: self = .io
    case EFBIG: self = .tooLarge
    case ENAMETOOLONG, ELOOP: self = .badPath
    case ENOSYS, EOPNOTSUPP, EXDEV: self = .unsupported
    default: self = .system
    }
  }
}
