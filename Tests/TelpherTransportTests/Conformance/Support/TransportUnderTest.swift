import Synchronization
import TelpherTransport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// A backend on which the suite runs.
struct TransportUnderTest: Sendable, CustomTestStringConvertible {
  let name: String
  /// Whether it can adopt descriptors.
  let hasDescriptors: Bool
  /// Creates the given number of loops that can reach each other.
  let makeRig: @Sendable (Int) throws -> Rig

  init(
    _ name: String, hasDescriptors: Bool = true, makeRig: @escaping @Sendable (Int) throws -> Rig
  ) {
    self.name = name
    self.hasDescriptors = hasDescriptors
    self.makeRig = makeRig
  }

  var testDescription: String { name }

  /// Calls `body` on the thread of a loop, and then shuts all loops down.
  func run(
    loops count: Int = 1, _ body: @Sendable (isolated Stage) async throws -> Void
  ) async throws {
    let rig = try makeRig(count)
    let result: Result<Void, any Error>
    do {
      try await body(Stage(rig, loop: rig.loops[0]))
      result = .success(())
    } catch {
      result = .failure(error)
    }
    for loop in rig.loops { await loop.shutDown() }
    rig.closeSockets()
    try result.get()
  }
}

/// The loops of one backend and the functions that a test needs to use them.
struct Rig: Sendable {
  let loops: [any EventLoop]
  /// The arguments that start a command on this backend.
  let command: @Sendable (Command) -> [String]
  /// Sends a signal to this process.
  let raise: @Sendable (Int32) -> Void

  /// The sockets that are open.
  private let sockets = Shared<[any BoundSocket]>([])

  init(
    loops: [any EventLoop], command: @escaping @Sendable (Command) -> [String],
    raise: @escaping @Sendable (Int32) -> Void
  ) {
    self.loops = loops
    self.command = command
    self.raise = raise
  }

  /// Loops that use the operating system.
  init(systemLoops loops: [any EventLoop]) {
    self.init(loops: loops, command: \.inSystem, raise: { kill(getpid(), $0) })
  }

  /// An unused address.
  func freshAddress(_ kind: AddressKind) -> SocketAddress {
    switch kind {
    case .tcp:
      return .tcp(host: "127.0.0.1", port: 0)
    case .unix:
      let number = Self.lastPath.add(1, ordering: .relaxed).newValue
      return .unix(path: "/tmp/telpher-test-\(getpid())-\(number).sock")
    }
  }

  /// Closes `socket` at the end of the test, unless `close` has done so.
  func add(_ socket: any BoundSocket) {
    sockets.withLock { $0.append(socket) }
  }

  /// Closes `socket`, once.
  func close(_ socket: any BoundSocket) {
    let isOpen = sockets.withLock { sockets in
      let index = sockets.firstIndex { $0 === socket }
      if let index { sockets.remove(at: index) }
      return index != nil
    }
    if isOpen { socket.close() }
  }

  func closeSockets() {
    for socket in sockets.withLock({ $0 }) { close(socket) }
  }

  private static let lastPath = Atomic<Int>(0)
}

/// The kinds of sockets.
enum AddressKind: String, Sendable, CaseIterable, CustomTestStringConvertible {
  case unix
  case tcp

  var testDescription: String { rawValue }
}
