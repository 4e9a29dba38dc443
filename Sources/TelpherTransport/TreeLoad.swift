/// What the processes of a running command use at one moment.
public struct TreeLoad: Sendable, Equatable {
  /// How many processes there are.
  package var processes: Int
  /// The processor time that they and the children they waited for have used, in microseconds.
  package var cpuMicroseconds: UInt64
  /// Their resident memory in bytes. Memory that several processes share counts for each.
  package var memoryBytes: UInt64

  /// A load.
  package init(processes: Int = 0, cpuMicroseconds: UInt64 = 0, memoryBytes: UInt64 = 0) {
    self.processes = processes
    self.cpuMicroseconds = cpuMicroseconds
    self.memoryBytes = memoryBytes
  }
}
