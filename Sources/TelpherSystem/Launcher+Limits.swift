internal import CTelpherSys

extension Launcher {
  /// Raises this process's soft limit of open descriptors (RLIMIT_NOFILE, getrlimit(2)) to the hard
  /// one, for a server of many connections.
  ///
  /// - Returns: the soft limit as it was, for `init(scope:softDescriptorLimit:)`; nil where it could
  ///   not be told.
  public static func raiseDescriptorLimit() -> UInt64? {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    guard telpher_get_limit(telpher_limit_nofile, &soft, &hard) == 0 else { return nil }
    // The old limit still does where this is refused.
    if soft < hard { _ = telpher_set_soft_limit(telpher_limit_nofile, hard) }
    return soft
  }
}
