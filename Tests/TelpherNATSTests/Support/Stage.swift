import TelpherNATS
import TelpherTestSupport
import TelpherTransport
import Testing

/// A server and the loop of its clients, for one test.
struct Stage {
  let server: NATSServer
  let loop: any EventLoop

  /// Runs `body` with a server that was started, and ends everything after it.
  static func with(
    _ backend: SystemBackend = .uv, options: String = "",
    _ body: (Stage) async throws -> Void
  ) async throws {
    let server = try NATSServer.started(options: options)
    let loop = try backend.makeLoop()
    let result: Result<Void, any Error>
    do { result = .success(try await body(Stage(server: server, loop: loop))) } catch {
      result = .failure(error)
    }
    server.kill()
    await loop.shutDown()
    try result.get()
  }

  /// A configuration for the server.
  func configuration(_ credentials: NATSCredentials = .none) throws -> NATSConfiguration {
    var configuration = NATSConfiguration(
      servers: [try NATSAddress(parsing: server.address)], credentials: credentials)
    configuration.longestPause = .milliseconds(200)
    return configuration
  }

  /// A new connection to the server. A busy machine may need a while to start it.
  func connect(_ credentials: NATSCredentials = .none) async throws -> NATSConnection {
    try await NATSConnection.connect(
      configuration(credentials), on: loop, within: .seconds(120))
  }
}

/// The code of what `body` throws; nil if it throws nothing.
func code(_ body: () async throws -> Void) async throws -> NATSError.Code? {
  do {
    try await body()
    return nil
  } catch let error as NATSError {
    return error.code
  }
}

/// Messages that a handler has received.
final class Inbox: Sendable {
  private let state = Monitor<(messages: [NATSMessage], errors: [NATSError])>(([], []))

  var messages: [NATSMessage] { state.withLock { $0.messages } }
  var texts: [String] { messages.map { String(decoding: $0.payload, as: UTF8.self) } }
  var errors: [NATSError] { state.withLock { $0.errors } }

  func receive(_ result: Result<NATSMessage, NATSError>) {
    state.withLock { state in
      switch result {
      case .success(let message): state.messages.append(message)
      case .failure(let error): state.errors.append(error)
      }
    }
  }
}
