internal import Glibc

/// A failure of the system or of a backend.
public struct TransportError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A kind of failure. Later versions may add kinds, so compare values instead of switching over
  /// them.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// A stable name.
    public let description: String
    /// No process listens there (ECONNREFUSED), or there is no such socket (ENOENT).
    public static let unreachable = Code(description: "unreachable")
    /// The address is in use (EADDRINUSE).
    public static let addressInUse = Code(description: "address in use")
    /// The address can't be used: bad host, too long a path, no such folder.
    public static let badAddress = Code(description: "bad address")
    /// The data is larger than a datagram may be.
    public static let tooLong = Code(description: "too long")
    /// The peer is gone: reset, broken pipe.
    public static let broken = Code(description: "broken")
    /// Not permitted (EACCES, EPERM).
    public static let notPermitted = Code(description: "not permitted")
    /// Out of descriptors, memory or processes.
    public static let exhausted = Code(description: "exhausted")
    /// The loop was shut down.
    public static let shutDown = Code(description: "shut down")
    /// Any other failure; see `errno`.
    public static let system = Code(description: "system error")
  }

  /// The kind of failure.
  public var code: Code
  /// What was attempted and what went wrong, for the user, such as `connect to unix:/x: no such
  /// file`.
  public var message: String
  /// The system's error number (errno(3)), or 0 if there is none.
  public var errno: Int32

  /// An error.
  public init(_ code: Code, _ message: String, errno: Int32 = 0) {
    self.code = code
    self.message = message
    self.errno = errno
  }

  /// The message.
  public var description: String { message }
}

extension TransportError {
  /// The error `number` of errno(3). `attempt` names the operation that failed.
  package init(_ attempt: String, errno number: Int32) {
    self.init(Code(errno: number), "\(attempt): \(describe(errno: number))", errno: number)
  }
}

extension TransportError.Code {
  /// The code for an error number of errno(3); `system` for 0.
  package init(errno number: Int32) {
    self =
      switch number {
      case ECONNREFUSED, ENOENT, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT: .unreachable
      case EADDRINUSE: .addressInUse
      case EADDRNOTAVAIL, ENAMETOOLONG, ENOTDIR, EAFNOSUPPORT: .badAddress
      case ECONNRESET, EPIPE, ECONNABORTED, ENOTCONN: .broken
      case EACCES, EPERM: .notPermitted
      case EMFILE, ENFILE, ENOMEM, ENOBUFS, EAGAIN: .exhausted
      default: .system
      }
  }
}
