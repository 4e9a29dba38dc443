internal import Glibc
internal import TelpherTransport

/// A failed operation on a file, folder or link.
public struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of failure. Later versions may add codes, so compare with `==` instead of switching.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// A stable name.
    public let description: String
    /// The path is not allowed: it leads out of the root, or breaks a rule of `RelativePath`.
    public static let badPath = Code(description: "bad path")
    /// Nothing has that name.
    public static let notFound = Code(description: "not found")
    /// The destination's parent folder does not exist.
    public static let noParent = Code(description: "no parent")
    /// Something already has that name.
    public static let exists = Code(description: "exists")
    /// The operation is not permitted, or the file system is read-only.
    public static let notPermitted = Code(description: "not permitted")
    /// The file system or the quota is full.
    public static let noSpace = Code(description: "no space")
    /// The operation needs a regular file and found a folder, link, FIFO, socket or device.
    public static let notAFile = Code(description: "not a file")
    /// The operation needs a folder and found something else.
    public static let notAFolder = Code(description: "not a folder")
    /// The folder to remove or replace is not empty.
    public static let notEmpty = Code(description: "not empty")
    /// The file or a resource is in use; the same call may succeed later.
    public static let busy = Code(description: "busy")
    /// The file changed while it was read.
    public static let changed = Code(description: "changed")
    /// The received bytes do not have the digest that the sender computed.
    public static let digestMismatch = Code(description: "digest mismatch")
    /// The kernel or the file system does not support the operation.
    public static let unsupported = Code(description: "unsupported")
    /// The storage failed (EIO); written data may be lost.
    public static let io = Code(description: "input/output error")
    /// The size is above what the file system or a limit allows.
    public static let tooLarge = Code(description: "too large")
    /// The operation was canceled.
    public static let canceled = Code(description: "canceled")
    /// The connection or the stream ended before the operation was complete.
    public static let lost = Code(description: "lost")
    /// The peer could not store or send the file.
    public static let remote = Code(description: "remote failure")
    /// The server refused the request.
    public static let refused = Code(description: "refused")
    /// The peer violated the protocol.
    public static let protocolError = Code(description: "protocol error")
    /// Any other system error; see `errno`.
    public static let system = Code(description: "system error")
  }

  /// The kind of failure.
  public var code: Code
  /// A message for the user with the operation, the path and the reason, for example
  /// `cannot write 'a/b': No space left on device`.
  public var message: String
  /// The system's error number (errno(3)); nil if no system call failed.
  public var errno: Int32?
  /// The path that the operation failed on, as displayed to the user.
  public var path: String?

  /// Creates an error.
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
  /// Returns the same error with the root called `name` instead of `.`.
  package func naming(root name: String) -> FileError {
    let shown = RelativePath.root.description
    guard path == shown else { return self }
    var error = self
    error.path = name
    error.message = message.replacing("'\(shown)'", with: "'\(name)'")
    return error
  }

  /// A system call failed with `errno`. `attempt` is a verb for the message, for example `write`.
  package init(_ attempt: String, _ path: RelativePath, errno: Int32) {
    self.init(
      Code(errno: errno), "cannot \(attempt) '\(path)': \(describe(errno: errno))",
      errno: errno, path: path.description)
  }

  /// A system call failed with `errno` for a path that the user wrote. `attempt` is a verb for the
  /// message, for example `read`.
  package init(_ attempt: String, named path: String, errno: Int32) {
    self.init(
      Code(errno: errno), "cannot \(attempt) '\(path)': \(describe(errno: errno))",
      errno: errno, path: path)
  }

  /// An operation is not possible for `reason`. `attempt` is a verb for the message, for example
  /// `read`.
  package init(_ code: Code, _ attempt: String, _ path: RelativePath, _ reason: String) {
    self.init(code, "cannot \(attempt) '\(path)': \(reason)", path: path.description)
  }
}

extension FileError.Code {
  /// The code for an error number of errno(3).
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
