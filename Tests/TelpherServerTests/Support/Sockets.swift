import TelpherServer
import TelpherTestSupport
import TelpherTransport

/// What the tests of sockets share.
enum Sockets {
  static let service = SocketAddress.tcp(host: "127.0.0.1", port: 7)

  static func connect(_ stream: UInt32, _ address: String = "tcp:127.0.0.1:7") -> [UInt8] {
    open(stream, #"{"op":"connect","address":"\#(address)"}"#, noInput: false)
  }

  static func listen(_ stream: UInt32, _ address: String = "tcp:127.0.0.1:80") -> [UInt8] {
    open(stream, #"{"op":"listen","address":"\#(address)"}"#)
  }

  static func accept(_ stream: UInt32, _ connection: String) -> [UInt8] {
    open(stream, #"{"op":"accept","connection":"\#(connection)"}"#, noInput: false)
  }

  /// Runs `body` with a service at the server's side.
  static func withService(
    configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (Fixture, PlainListener) async throws -> Void
  ) async throws {
    try await Fixture.inMemory(configure: configure) { fixture in
      let listener = try await PlainListener.start(at: service, on: fixture.clientLoop)
      try await body(fixture, listener)
      await listener.stop()
    }
  }

  /// The names of the connections that were announced on a stream.
  static func announced(_ stream: UInt32, to peer: RawPeer) async -> [String] {
    await peer.frames.filter { $0.type == 5 && $0.stream == stream }.compactMap { frame in
      guard let start = frame.text.firstRange(of: #""connection":""#) else { return nil }
      return String(frame.text[start.upperBound...].prefix(32))
    }
  }
}
