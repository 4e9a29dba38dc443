/// The resources that a process used, from getrusage(2).
public struct ResourceUsage: Sendable, Equatable {
  /// Processor time in user mode, in microseconds.
  public var userMicroseconds: Int64 = 0
  /// Processor time in the kernel, in microseconds.
  public var systemMicroseconds: Int64 = 0
  /// The largest resident set, in kibibytes; nil if the system can't distinguish it from this
  /// process's.
  public var maxResidentKiB: Int64?
  /// Page faults that needed a read.
  public var majorFaults: Int64 = 0
  /// Page faults that did not.
  public var minorFaults: Int64 = 0
  /// Context switches because the process waited.
  public var voluntarySwitches: Int64 = 0
  /// Context switches because the kernel preempted the process.
  public var involuntarySwitches: Int64 = 0

  /// Nothing used.
  public init() {}
}
