internal import Glibc

/// The system's clock, for people and for `FleetJob.notAfter`. Nothing else depends on it.
package enum Clock {
  /// Milliseconds since 1970.
  package static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
  }
}
