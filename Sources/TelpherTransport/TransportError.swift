/// What the system, or a backend, could not do.
public struct TransportError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Kinds of failure. More may come: compare, don't switch.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// A stable name.
    public let description: String
    /// Nobody listens there (ECONNREFUSED), or there is no such socket (ENOENT).
    public static let unreachable = Code(description: "unreachable")
    /// The address is taken (EADDRINUSE).
    public static let addressInUse = Code(description: "address in use")
    /// The address can't be used: bad host, too long a path, no such folder.
    public static let badAddress = Code(description: "bad address")
    /// More bytes than one datagram carries.
    public static let tooLong = Code(description: "too long")
    /// The peer is gone: reset, broken pipe.
    public static let broken = Code(description: "broken")
    /// Not permitted (EACCES, EPERM).
    public static let notPermitted = Code(description: "not permitted")
    /// Out of descriptors, memory or processes.
    public static let exhausted = Code(description: "exhausted")
    /// The loop was shut down.
    public static let shutDown = Code(description: "shut down")
    /// Anything else; `errno` tells.
    public static let system = Code(description: "system error")
  }

  /// The kind of failure.
  public var code: Code
  /// What was tried and what went wrong, for a person: `connect to unix:/x: no such file`.
  public var message: String
  /// The system's error number (errno(3)), or 0.
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
