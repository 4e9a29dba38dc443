internal import Glibc
internal import Synchronization
internal import TelpherAccess
internal import TelpherTransport
internal import TelpherWire

extension ServerCore {
  func info() -> ServerInfo {
    var system = utsname()
    uname(&system)
    func text<T>(_ field: T) -> String {
      withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
    return ServerInfo(
      server: configuration.name, protocolVersion: WireConstants.version, pid: getpid(),
      host: text(system.nodename),
      system: "\(text(system.sysname)) \(text(system.release)) \(text(system.machine))",
      killScope: loop.killScope.rawValue,
      uptimeS: Double((loop.now - startedAt) / 1_000_000) / 1_000,
      connections: counters.connections.load(ordering: .relaxed),
      running: table.running,
      started: counters.started.load(ordering: .relaxed), limits: configuration.limits,
      enforceableLimits: loop.enforceableLimits.map(\.rawValue).sorted(),
      commandLimits: Dictionary(
        limitPolicy.ownLimits.map { ($0.rawValue, $1.value) }
      ) { $1 })
  }
}
