internal import CTelpherSys
internal import Glibc

extension Launcher {
  /// Makes every open descriptor above 2 close-on-exec, so that no child inherits it. For libraries
  /// that let children inherit all descriptors that are not close-on-exec.
  package static func keepDescriptorsFromChildren() {
    let folder = telpher_open_at(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY)
    guard folder >= 0 else { return }
    for name in names(inFolder: folder) {
      if let descriptor = Int32(name), descriptor > 2 { _ = telpher_close_on_exec(descriptor) }
    }
    close(folder)
  }

  /// Raises this process's soft limit of open descriptors (RLIMIT_NOFILE, getrlimit(2)) to the hard
  /// limit, for a server with many connections.
  ///
  /// - Returns: The previous soft limit, for `init(scope:softDescriptorLimit:)`. Nil if it could
  ///   not be read.
  public static func raiseDescriptorLimit() -> UInt64? {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    guard telpher_get_limit(telpher_limit_nofile, &soft, &hard) == 0 else { return nil }
    // If this is refused, the old limit stays in effect.
    if soft < hard { _ = telpher_set_soft_limit(telpher_limit_nofile, hard) }
    return soft
  }
}
