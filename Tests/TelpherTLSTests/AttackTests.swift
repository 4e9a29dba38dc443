import TelpherTLS
import TelpherTransport
import Testing

/// What a machine in between can do without the keys: change bytes and cut the connection.
@Suite("A TLS connection with something in between", .timeLimit(.minutes(5)))
struct AttackTests {
  private static let request = Array("a request".utf8)
  private static let answer = Array("an answer".utf8)

  /// What each end has got.
  private struct Outcome: Sendable {
    var toServer: [UInt8] = []
    var toClient: [UInt8] = []
    /// Whether one end has noticed that something is wrong.
    var isNoticed = false
    /// Whether an end has taken other bytes than were sent, or a part of them for all.
    var isFooled = false
  }

  /// Makes a connection, sends a request, an answer and both ends.
  private static func exchange(
    toServer: TLSStage.Alteration? = nil, toClient: TLSStage.Alteration? = nil
  ) async throws -> Outcome {
    var options = TLSStage.Options()
    (options.toServer, options.toClient) = (toServer, toClient)
    nonisolated(unsafe) var outcome = Outcome()
    try await TLSStage.with(options) { stage in
      let (client, server) = (stage.client, stage.server)
      server.didRead = { [unowned server] _ in
        guard server.received.count == request.count else { return }
        _ = answer.withUnsafeBytes { server.stream.write($0, nil) }
        server.stream.finishWriting()
      }
      _ = request.withUnsafeBytes { client.stream.write($0, nil) }
      client.stream.finishWriting()
      client.stream.resumeReading()
      server.stream.resumeReading()
      // An end that has noticed something closes, as the owner of a stream does.
      for end in [client, server] {
        let report = end.stream.onEnd
        end.stream.onEnd = { [unowned end] error in
          report?(error)
          if error != nil { end.stream.close() }
        }
      }
      await client.until { $0.end != nil }
      await server.until { $0.end != nil }
      outcome.toServer = server.lower.recorded
      outcome.toClient = client.lower.recorded
      outcome.isNoticed = !client.hasEndedInOrder || !server.hasEndedInOrder
      for (end, sent) in [(client, answer), (server, request)] {
        if !sent.starts(with: end.received) { outcome.isFooled = true }
        if end.hasEndedInOrder, end.received != sent { outcome.isFooled = true }
      }
    }
    return outcome
  }

  private static let directions = [true, false]

  private static func alter(
    toServer: Bool, _ alteration: TLSStage.Alteration
  ) async throws -> Outcome {
    try await exchange(
      toServer: toServer ? alteration : nil, toClient: toServer ? nil : alteration)
  }

  @Test("notices an end at every offset before the last", arguments: directions)
  func truncation(toServer: Bool) async throws {
    let whole = try await Self.exchange()
    let bytes = toServer ? whole.toServer : whole.toClient
    for offset in bytes.indices {
      let outcome = try await Self.alter(toServer: toServer, .init(kind: .end, offset: offset))
      #expect(outcome.isNoticed, "offset \(offset)")
      #expect(!outcome.isFooled, "offset \(offset)")
    }
  }

  /// The offsets of the bytes that belong to encrypted records, without their lengths: an end may
  /// wait for ever for the rest of a record that seems longer, and its owner limits the time.
  private static func encrypted(_ bytes: [UInt8]) -> Set<Int> {
    var offsets: Set<Int> = []
    var start = 0
    while start + 5 <= bytes.count {
      let length = Int(bytes[start + 3]) << 8 | Int(bytes[start + 4])
      let end = min(bytes.count, start + 5 + length)
      // application_data (RFC 8446, 5.1).
      if bytes[start] == 23 {
        offsets.formUnion((start..<end).filter { $0 != start + 3 && $0 != start + 4 })
      }
      start = end
    }
    return offsets
  }

  @Test("notices a changed byte at every offset of encrypted records", arguments: directions)
  func flippedBytes(toServer: Bool) async throws {
    let whole = try await Self.exchange()
    #expect(!whole.isNoticed && !whole.isFooled)
    let bytes = toServer ? whole.toServer : whole.toClient
    let encrypted = Self.encrypted(bytes)
    #expect(encrypted.count > 60)
    for offset in encrypted.sorted() {
      let outcome = try await Self.alter(toServer: toServer, .init(kind: .flip, offset: offset))
      #expect(!outcome.isFooled, "offset \(offset)")
      #expect(outcome.isNoticed, "offset \(offset)")
    }
  }

  /// Bytes that are not encrypted.
  enum Stray: CaseIterable, Sendable {
    /// The first record of the client again.
    case clientHello
    /// The beginning of the protocol without TLS.
    case text
    /// A record with data that was not encrypted.
    case data
    /// An alert that says that the peer ends its side in order.
    case closeNotify
    /// A record that asks for a new key.
    case keyUpdate
    /// A change of the cipher, which only a handshake may have.
    case cipherChange

    /// The bytes.
    ///
    /// - Parameter sent: what the client has sent.
    func bytes(_ sent: [UInt8]) -> [UInt8] {
      switch self {
      case .clientHello: Array(sent.prefix(5 + (Int(sent[3]) << 8 | Int(sent[4]))))
      case .text: Array("TELPHER1 without any encryption".utf8)
      case .data: [23, 3, 3, 0, 32] + [UInt8](repeating: 65, count: 32)
      case .closeNotify: [21, 3, 3, 0, 2, 1, 0]
      case .keyUpdate: [22, 3, 3, 0, 5, 24, 0, 0, 1, 1]
      case .cipherChange: [20, 3, 3, 0, 1, 1]
      }
    }
  }

  @Test(
    "takes nothing that is not encrypted once its handshake is complete", arguments: directions,
    Stray.allCases)
  func unencrypted(toServer: Bool, stray: Stray) async throws {
    try await TLSStage.with { stage in
      await stage.shakeHands()
      let (from, to) = toServer ? (stage.client, stage.server) : (stage.server, stage.client)
      let sent = stage.server.lower.recorded
      #expect(sent[0] == 22)
      _ = stray.bytes(sent).withUnsafeBytes { from.lower.write($0, nil) }
      // What follows in order is not taken either.
      _ = Self.request.withUnsafeBytes { from.stream.write($0, nil) }
      to.stream.resumeReading()
      await to.until { $0.end != nil }
      #expect(!to.hasEndedInOrder)
      #expect(to.received.isEmpty)
    }
  }
}
