/// One limit of getrlimit(2).
public struct ResourceLimit: Sendable, Equatable {
  /// The limited resource.
  public enum Kind: String, Sendable, CaseIterable {
    /// Processor time in seconds (RLIMIT_CPU).
    case cpuSeconds = "cpu_s"
    /// Address space in bytes (RLIMIT_AS).
    case memoryBytes = "memory_bytes"
    /// The size of a written file in bytes (RLIMIT_FSIZE).
    case fileBytes = "file_bytes"
    /// Open descriptors (RLIMIT_NOFILE).
    case openFiles = "open_files"
    /// Processes of the user (RLIMIT_NPROC).
    case processes = "processes"
    /// The size of a core file in bytes (RLIMIT_CORE).
    case coreBytes = "core_bytes"
  }
  /// The limited resource.
  public var kind: Kind
  /// The limit, in the unit of its kind.
  public var value: UInt64

  /// A limit of `value`.
  public init(_ kind: Kind, _ value: UInt64) {
    self.kind = kind
    self.value = value
  }
}
