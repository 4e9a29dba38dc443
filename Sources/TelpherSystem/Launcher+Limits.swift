internal import CTelpherSys
internal import Glibc

extension Launcher {
  /// Has no child inherit the descriptors that this process itself has inherited, beside the standard
  /// ones: for libraries that start children with all that is not close-on-exec.
  package static func keepDescriptorsFromChildren() {
    let folder = telpher_open_at(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY)
    guard folder >= 0 else { return }
    for name in names(inFolder: folder) {
      if let descriptor = Int32(name), descriptor > 2 { _ = telpher_close_on_exec(descriptor) }
    }
    close(folder)
  }

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
