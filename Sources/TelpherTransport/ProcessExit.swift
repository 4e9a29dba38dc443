/// How a child ended and which resources it used.
public struct ProcessExit: Sendable, Equatable {
  /// The way it ended.
  package enum Status: Sendable, Equatable {
    /// By exit(3), with the low 8 bits of its status.
    case exited(code: Int32)
    /// By a signal, whether or not a core was dumped.
    case signaled(Int32, coreDumped: Bool)
  }
  /// The way it ended.
  package var status: Status
  /// The resources that it and the children it waited for used.
  package var usage: ResourceUsage

  /// An exit.
  package init(status: Status, usage: ResourceUsage) {
    self.status = status
    self.usage = usage
  }
}
