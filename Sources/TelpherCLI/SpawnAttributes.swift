internal import Glibc

/// Calls `body` with attributes of posix_spawn(3) by which a program starts with no signal blocked,
/// whatever this process blocks.
///
/// - Parameter flags: further flags, such as POSIX_SPAWN_SETSID.
func withSpawnAttributes<Value>(
  flags: Int16 = 0, _ body: (inout posix_spawnattr_t) -> Value
) -> Value {
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var signals = sigset_t()
  sigemptyset(&signals)
  posix_spawnattr_setsigmask(&attributes, &signals)
  posix_spawnattr_setflags(&attributes, flags | Int16(POSIX_SPAWN_SETSIGMASK))
  return body(&attributes)
}
