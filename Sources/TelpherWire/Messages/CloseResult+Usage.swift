extension CloseResult {
  /// The resources used by a command and the children it waited for: getrusage(2).
  package struct Usage: Sendable, Equatable, Codable {
    /// Processor time in user mode, in milliseconds.
    package var userMS: Double
    /// Processor time in the kernel, in milliseconds.
    package var systemMS: Double
    /// The largest resident set, in kibibytes; nil if it was no larger than the server's own. A
    /// child shares the server's memory until it executes its program, and the kernel counts that
    /// too.
    package var maxRSSKiB: Int64?
    /// Page faults that needed no read from disk.
    package var minorFaults: Int64
    /// Page faults that needed a read from disk.
    package var majorFaults: Int64
    /// Context switches because the process waited.
    package var voluntarySwitches: Int64
    /// Context switches because the kernel preempted the process.
    package var involuntarySwitches: Int64

    /// A usage.
    package init(
      userMS: Double, systemMS: Double, maxRSSKiB: Int64?, minorFaults: Int64, majorFaults: Int64,
      voluntarySwitches: Int64, involuntarySwitches: Int64
    ) {
      self.userMS = userMS
      self.systemMS = systemMS
      self.maxRSSKiB = maxRSSKiB
      self.minorFaults = minorFaults
      self.majorFaults = majorFaults
      self.voluntarySwitches = voluntarySwitches
      self.involuntarySwitches = involuntarySwitches
    }

    enum CodingKeys: String, CodingKey {
      case userMS = "user_ms"
      case systemMS = "system_ms"
      case maxRSSKiB = "max_rss_kib"
      case minorFaults = "minor_faults"
      case majorFaults = "major_faults"
      case voluntarySwitches = "voluntary_switches"
      case involuntarySwitches = "involuntary_switches"
    }
  }

  /// Why a command ended. Peers may send causes that are not listed here.
  package struct Cause: WireWord {
    /// The cause's name on the wire.
    package let description: String
    /// The cause with that name.
    package init(_ word: String) { description = word }

    /// It needed more memory than its limit, and the kernel killed processes of it.
    package static let outOfMemory = Cause("out_of_memory")
    /// It failed after it could not create a process because of its limit.
    package static let processLimit = Cause("process_limit")
    /// It used up its processor time.
    package static let cpuTime = Cause("cpu_time")
    /// It wrote a file that reached the largest size.
    package static let fileSize = Cause("file_size")
    /// Its deadline passed.
    package static let deadline = Cause("deadline")
    /// The client canceled it.
    package static let canceled = Cause("canceled")
    /// The connection of its client was lost.
    package static let disconnected = Cause("disconnected")
    /// The server was ending.
    package static let shutdown = Cause("shutdown")
    /// No client attached to it for too long.
    package static let expired = Cause("expired")
  }

  /// What the control group of a command with limits has counted: all its processes together. A
  /// value is nil if the server's group has no such counter.
  package struct Group: Sendable, Equatable, Codable {
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
    /// Processor time in milliseconds.
    package var cpuMS: Double?
    /// How long processes waited because their processor time was used up, in milliseconds.
    package var throttledMS: Double?
    /// Bytes read from block devices.
    package var readBytes: UInt64?
    /// Bytes written to block devices.
    package var writtenBytes: UInt64?

    /// Nothing counted.
    package init() {}

    enum CodingKeys: String, CodingKey {
      case memoryLimit = "memory_limit_bytes"
      case memoryPeak = "memory_peak_bytes"
      case outOfMemoryKills = "oom_kills"
      case processLimit = "process_limit"
      case processLimitHits = "process_limit_hits"
      case cpuMS = "cpu_ms"
      case throttledMS = "throttled_ms"
      case readBytes = "read_bytes"
      case writtenBytes = "written_bytes"
    }
  }
}
