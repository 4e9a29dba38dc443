internal import Glibc

/// The maximum number of open descriptors of this process: RLIMIT_NOFILE of getrlimit(2).
package enum DescriptorLimit {
  /// The current limit; `Int.max` if there is none.
  package static var current: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
    return Int(clamping: limit.rlim_cur)
  }
}

extension FileError {
  /// Whether the process or the system is out of descriptors.
  package var isOutOfDescriptors: Bool { errno == EMFILE || errno == ENFILE }
}
