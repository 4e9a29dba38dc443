internal import CTelpherSys
internal import Glibc
package import TelpherTransport

extension ProcessExit {
  /// Asks how the child `pid` ended. Nil while it runs.
  ///
  /// - Parameter keeping: Whether the child stays a zombie, so that no other process can get its
  ///   id.
  /// - Precondition: No other code has waited for the child.
  package init?(ofChild pid: Int32, keeping: Bool) {
    var exit = telpher_exit()
    switch telpher_wait(pid, keeping ? 1 : 0, &exit) {
    case 0: return nil
    case 1: self.init(exit)
    default: preconditionFailure("only this module waits for a child of the launcher")
    }
  }

  private init(_ exit: telpher_exit) {
    var usage = ResourceUsage()
    usage.userMicroseconds = exit.user_microseconds
    usage.systemMicroseconds = exit.system_microseconds
    // A child shares our memory until it executes its program, and the kernel counts that memory
    // for the child. So a value up to our own maximum is not reported.
    var own = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &own)
    if exit.max_resident_kib > own.ru_maxrss { usage.maxResidentKiB = exit.max_resident_kib }
    usage.majorFaults = exit.major_faults
    usage.minorFaults = exit.minor_faults
    usage.voluntarySwitches = exit.voluntary_switches
    usage.involuntarySwitches = exit.involuntary_switches
    self.init(
      status: exit.signal == 0
        ? .exited(code: exit.code)
        : .signaled(exit.signal, coreDumped: exit.core_dumped != 0),
      usage: usage)
  }
}
