/// What the kernel counted in the control group of a command with limits: all its processes
/// together, from its start to its end. A value is nil if the group has no such counter.
public struct GroupUsage: Sendable, Equatable {
  /// The limit of memory in bytes.
  package var memoryLimit: UInt64?
  /// The most memory in bytes that was in use at once.
  package var memoryPeak: UInt64?
  /// How many processes the kernel killed because the memory reached its limit.
  package var outOfMemoryKills: UInt64?
  /// The limit of processes and threads.
  package var processLimit: UInt64?
  /// How many processes or threads could not be created because of the limit.
  package var processLimitHits: UInt64?
  /// Processor time in microseconds.
  package var cpuMicroseconds: UInt64?
  /// How long processes waited because the limit of processor time was used up, in microseconds.
  package var throttledMicroseconds: UInt64?
  /// Bytes read from block devices.
  package var readBytes: UInt64?
  /// Bytes written to block devices.
  package var writtenBytes: UInt64?

  /// Nothing counted.
  package init() {}
}
