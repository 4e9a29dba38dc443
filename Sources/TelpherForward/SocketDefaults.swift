/// The limits that forwarding has on both sides, the client's and by default the server's.
package enum SocketDefaults {
  /// How many connections the system queues until they are accepted; it may lower it.
  package static let backlog: Int32 = 1_024
  /// How long a connect may take, with the lookup of its host, in nanoseconds. The system itself
  /// would try for two minutes.
  package static let connectTimeout: UInt64 = 30_000_000_000
  /// The most host names that are looked up at once; each takes a thread.
  package static let maxLookups = 64
}
