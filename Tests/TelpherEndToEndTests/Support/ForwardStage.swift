import Glibc
import Synchronization
import TelpherClient
import TelpherServer
import TelpherTestSupport
import TelpherTransport

/// A kind of socket.
enum SocketKind: CaseIterable {
  case tcp, unix

  /// A free address of that kind.
  func address() -> SocketAddress {
    switch self {
    case .tcp: .tcp(host: "127.0.0.1", port: 0)
    case .unix: .unix(path: "/tmp/telpher-forward-\(UInt64.random(in: 0 ... .max)).sock")
    }
  }
}

/// A forwarding that runs: programs connect to `entrance`, and their connections come to `service`.
struct ForwardStage: Sendable {
  let fixture: Fixture
  let connection: Connection
  let entrance: SocketAddress
  let service: PlainListener
  let events: ForwardEvents
  /// The task that runs the forwarding.
  let task: Task<Void, any Error>
  /// The loop of the test's own sockets.
  let loop: any EventLoop

  /// A program that connects to the entrance.
  func connect() async throws -> PlainSocket { try await .connect(to: entrance, on: loop) }

  /// Runs `body` with a forwarding from a socket of kind `entrance` to one of kind `exit`.
  static func with(
    _ backend: SystemBackend, _ direction: Forwarding.Direction, entrance: SocketKind = .tcp,
    exit: SocketKind = .tcp, echoes: Bool = false,
    configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: @escaping (ForwardStage) async throws -> Void
  ) async throws {
    try await Fixture.with(backend, configure: configure) { fixture in
      let loop = try backend.makeLoop()
      let service = try await PlainListener.start(at: exit.address(), on: loop, echoes: echoes)
      let connection = try await fixture.connect()
      let forwarding =
        switch direction {
        case .toServer: Forwarding(local: entrance.address(), remote: service.address)
        case .fromServer:
          Forwarding(
            local: service.address, remote: entrance.address(), direction: .fromServer)
        }
      let events = ForwardEvents()
      let task = Task {
        defer { events.end() }
        try await connection.forward(forwarding) { events.add($0) }
      }
      let result: Result<Void, any Error>
      do {
        guard let address = try await events.address() else { return try await task.value }
        result = .success(
          try await body(
            ForwardStage(
              fixture: fixture, connection: connection, entrance: address, service: service,
              events: events, task: task, loop: loop)))
      } catch {
        result = .failure(error)
      }
      task.cancel()
      _ = await task.result
      await connection.close()
      await service.stop()
      // Not on the loop's thread, which this ends.
      await Task.detached { await loop.shutDown() }.value
      try result.get()
    }
  }
}

/// The events of a forwarding.
final class ForwardEvents: Sendable {
  private struct State {
    var listening: SocketAddress?
    var failures: [ClientError] = []
    var hasEnded = false
  }

  private let state = Mutex(State())

  func add(_ event: ForwardEvent) {
    state.withLock { state in
      switch event {
      case .listening(let address): state.listening = address
      case .failed(_, let error): state.failures.append(error)
      }
    }
  }

  /// The forwarding has ended.
  func end() { state.withLock { $0.hasEnded = true } }

  /// The failures so far.
  var failures: [ClientError] { state.withLock { $0.failures } }

  /// Waits until the forwarding listens, and returns the address; nil if it has ended.
  func address() async throws -> SocketAddress? {
    try await eventually("the forwarding listens") {
      state.withLock { $0.listening != nil || $0.hasEnded }
    }
    return state.withLock { $0.listening }
  }
}
