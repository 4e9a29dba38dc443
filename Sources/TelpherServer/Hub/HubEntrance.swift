internal import TelpherTLS
package import TelpherTransport

/// Where a server lets in the clients whose bytes a hub passes on. They prove who they are over TLS, as
/// clients from the network do: the hub can neither read nor change what they send.
///
/// Use it only on the server's first loop: `@unchecked Sendable` lets it get there.
package final class HubEntrance: @unchecked Sendable {
  private let server: ServerCore
  private let entrance: ServerCore.Entrance
  private let door: TLSDoor

  init(to server: ServerCore, _ door: TLSDoor) {
    (self.server, self.door) = (server, door)
    entrance = ServerCore.Entrance(nil, door)
  }

  /// Serves a client.
  ///
  /// - Parameter stream: its bytes. The peer is `passedOn`.
  package func admit(_ stream: any ByteStream) {
    server.loop.checkIsolated()
    guard !server.isDraining, !server.wasReplaced else { return stream.close() }
    server.greet(stream, at: entrance, door)
  }
}
