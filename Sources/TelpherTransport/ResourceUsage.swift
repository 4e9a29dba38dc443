/// The resources that a process used, from getrusage(2).
public struct ResourceUsage: Sendable, Equatable {
  /// Processor time in user mode, in microseconds.
  package var userMicroseconds: Int64 = 0
  /// Processor time in the kernel, in microseconds.
  package var systemMicroseconds: Int64 = 0
  /// The largest resident set, in kibibytes; nil if the system can't distinguish it from this
  /// process's.
  package var maxResidentKiB: Int64?
  /// Page faults that needed a read.
  package var majorFaults: Int64 = 0
  /// Page faults that did not.
  package var minorFaults: Int64 = 0
  /// Context switches because the process waited.
  package var voluntarySwitches: Int64 = 0
  /// Context switches because the kernel preempted the process.
  package var involuntarySwitches: Int64 = 0

  /// Nothing used.
  package init() {}
}
