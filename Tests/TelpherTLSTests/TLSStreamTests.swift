@testable import TelpherTLS
import TelpherTransport
import TelpherTransportTesting
import Testing

@Suite("A TLS stream", .timeLimit(.minutes(1)))
struct TLSStreamTests {
  static func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8) }
  }

  @Test("agrees on TLS 1.3 with X25519 and a strong cipher")
  func agreement() async throws {
    try await TLSStage.with { stage in
      await stage.shakeHands()
      let agreement = try #require(stage.client.handshake).get()
      #expect(
        ["TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"].contains(agreement.cipher))
      #expect(agreement.group.lowercased().contains("x25519"))
      #expect(agreement.hasPeerCertificate)
      let seen = try #require(stage.server.handshake).get()
      #expect(seen.cipher == agreement.cipher)
      #expect(seen.group == agreement.group)
      #expect(!seen.hasPeerCertificate)
    }
  }

  @Test("passes bytes on that arrive one at a time through a small pipe")
  func singleBytes() async throws {
    var options = TLSStage.Options()
    options.network.maximumRead = 1
    options.network.pipeCapacity = 7
    try await TLSStage.with(options) { stage in
      await stage.shakeHands()
      let sent = Self.bytes(5_000)
      stage.server.stream.resumeReading()
      await stage.client.write(sent)
      stage.client.stream.finishWriting()
      await stage.server.until { $0.end != nil }
      #expect(stage.server.received == sent)
      #expect(stage.server.hasEndedInOrder)
    }
  }

  @Test(
    "writes a head and a body of all sizes as one sequence", arguments: [0, 1, 12, 16_384, 20_000])
  func headAndBody(headCount: Int) async throws {
    try await TLSStage.with { stage in
      await stage.shakeHands()
      stage.server.stream.resumeReading()
      var sent: [UInt8] = []
      for bodyCount in [0, 1, 16_372, 16_384, 40_000] {
        let (head, body) = (Self.bytes(headCount), Self.bytes(bodyCount))
        let before = stage.client.writableCount
        let isWritten = head.withUnsafeBytes {
          stage.client.stream.write($0, bodyCount > 0 ? Chunk(body) : nil)
        }
        sent += head + body
        if !isWritten { await stage.client.until { $0.writableCount > before } }
      }
      let count = sent.count
      await stage.server.until { $0.received.count >= count }
      #expect(stage.server.received == sent)
    }
  }

  @Test("sends what was written before the handshake after it")
  func earlyWrites() async throws {
    try await TLSStage.with { stage in
      let sent = Self.bytes(50_000)
      #expect(!sent.withUnsafeBytes { stage.client.stream.write($0, nil) })
      #expect(stage.client.stream.queuedBytes >= 50_000)
      stage.client.stream.finishWriting()
      stage.server.stream.resumeReading()
      await stage.server.until { $0.end != nil }
      #expect(stage.server.received == sent)
      #expect(stage.server.hasEndedInOrder)
      #expect(stage.client.writableCount == 1)
    }
  }

  @Test("makes a writer wait for a reader that has paused, and loses nothing")
  func slowReader() async throws {
    try await TLSStage.with { stage in
      await stage.shakeHands()
      let piece = Self.bytes(200_000)
      // The pipe holds 64 KiB, so this can't all be on its way.
      #expect(
        !stage.client.stream.write(UnsafeRawBufferPointer(start: nil, count: 0), Chunk(piece)))
      #expect(stage.client.stream.queuedBytes > 100_000)
      #expect(stage.server.received.isEmpty)
      // Reads one chunk at a time.
      stage.server.didRead = { [server = stage.server] _ in
        server.stream.pauseReading()
        server.stream.resumeReading()
      }
      stage.server.stream.resumeReading()
      await stage.server.until { $0.received.count == piece.count }
      await stage.client.until { $0.writableCount == 1 }
      #expect(stage.server.received == piece)
      #expect(stage.client.stream.queuedBytes == 0)
    }
  }

  @Test(
    "passes the records of a write on in few pieces, with changes of the key among them",
    arguments: [3, TLSStream.defaultRecordsPerKey])
  func batches(recordsPerKey: Int) async throws {
    var options = TLSStage.Options()
    options.network.pipeCapacity = 1 << 20
    options.recordsPerKey = recordsPerKey
    try await TLSStage.with(options) { stage in
      await stage.shakeHands()
      stage.server.stream.resumeReading()
      let (head, body) = (Self.bytes(12), Self.bytes(20 * 16_384))
      let before = stage.client.lower.writes.count
      #expect(head.withUnsafeBytes { stage.client.stream.write($0, Chunk(body)) })
      // 21 records, 8 in a batch.
      let writes = stage.client.lower.writes[before...]
      #expect(writes.count == 3)
      let overhead = recordsPerKey == 3 ? 21 * 22 + 6 * 27 : 21 * 22
      #expect(writes.reduce(0, +) == head.count + body.count + overhead)
      await stage.server.until { $0.received.count == head.count + body.count }
      #expect(stage.server.received == head + body)
    }
  }

  @Test("encrypts no more than a batch for a peer that does not read")
  func batchForSlowPeer() async throws {
    try await TLSStage.with { stage in
      await stage.shakeHands()
      let piece = Self.bytes(1_000_000)
      #expect(
        !stage.client.stream.write(UnsafeRawBufferPointer(start: nil, count: 0), Chunk(piece)))
      let batch = RecordBatch.records * 16_384
      #expect(stage.client.lower.queuedBytes > 0)
      #expect(stage.client.lower.queuedBytes <= batch + RecordBatch.records * 22)
      stage.server.stream.resumeReading()
      await stage.server.until { $0.received.count == piece.count }
      #expect(stage.server.received == piece)
    }
  }

  @Test("changes its key after a number of records")
  func keyUpdates() async throws {
    var options = TLSStage.Options()
    options.recordsPerKey = 3
    try await TLSStage.with(options) { stage in
      await stage.shakeHands()
      for end in [stage.client, stage.server] { end.stream.resumeReading() }
      let sent = Self.bytes(40 * 16_384)
      await stage.client.write(sent)
      await stage.server.write(sent)
      await stage.server.until { $0.received.count == sent.count }
      await stage.client.until { $0.received.count == sent.count }
      #expect(stage.server.received == sent)
      #expect(stage.client.received == sent)
      #expect(stage.client.stream.keyChanges == 13)
      #expect(stage.server.stream.keyChanges == 13)
    }
  }

  @Test("ends a connection whose peer changes its key again and again")
  func keyUpdateFlood() async throws {
    var options = TLSStage.Options()
    options.recordsPerKey = 1
    try await TLSStage.with(options) { stage in
      await stage.shakeHands()
      let (client, server) = (stage.client, stage.server)
      server.stream.resumeReading()
      let byte: [UInt8] = [1]
      for _ in 0..<1_000 { _ = byte.withUnsafeBytes { client.stream.write($0, nil) } }
      await server.until { $0.end != nil }
      guard case .failure(let error)? = server.end else {
        Issue.record("the connection goes on")
        return
      }
      #expect(error.message.contains("changes its key too often"))
      // The first record has the first key.
      #expect(server.received.count <= 33)
    }
  }

  @Test(
    "derives the same keying material at both ends, and another one for each connection and label")
  func exporter() async throws {
    nonisolated(unsafe) var values: Set<[UInt8]> = []
    for _ in 0..<2 {
      try await TLSStage.with { stage in
        #expect(stage.client.stream.exportKeyingMaterial(label: "EXPORTER-a", length: 32) == nil)
        await stage.shakeHands()
        for label in ["EXPORTER-a", "EXPORTER-b"] {
          let value = stage.client.stream.exportKeyingMaterial(label: label, length: 32)
          #expect(value == stage.server.stream.exportKeyingMaterial(label: label, length: 32))
          values.insert(try #require(value))
        }
        #expect(stage.client.stream.channelBinding == stage.server.stream.channelBinding)
      }
    }
    #expect(values.count == 4)
  }

  @Test("sends nothing to a server whose key is not trusted")
  func untrustedServer() async throws {
    var options = TLSStage.Options()
    options.trustsServer = false
    try await TLSStage.with(options) { stage in
      _ = [1, 2, 3].withUnsafeBytes { stage.client.stream.write($0, nil) }
      stage.client.stream.resumeReading()
      stage.server.stream.resumeReading()
      await stage.client.until { $0.handshake != nil && $0.end != nil && $0.writeFailure != nil }
      await stage.server.until { $0.handshake != nil && $0.end != nil }
      for end in [stage.client, stage.server] {
        #expect(throws: TransportError.self) { try end.handshake?.get() }
        #expect(!end.hasEndedInOrder)
        #expect(end.received.isEmpty)
      }
    }
  }

  @Test("can be closed from within each callback")
  func closeWithin() async throws {
    try await TLSStage.with { stage in
      stage.server.stream.onHandshake = { [server = stage.server] _ in server.stream.close() }
      stage.client.stream.resumeReading()
      stage.server.stream.startHandshake()
      await stage.client.until { $0.end != nil }
      #expect(!stage.client.hasEndedInOrder)
    }
    try await TLSStage.with { stage in
      await stage.shakeHands()
      stage.server.didRead = { [server = stage.server] _ in server.stream.close() }
      stage.server.stream.resumeReading()
      stage.client.stream.resumeReading()
      await stage.client.write(Self.bytes(40_000))
      await stage.client.until { $0.end != nil }
      #expect(!stage.client.hasEndedInOrder)
      #expect(stage.server.received.count <= 40_000)
    }
  }

  @Test(
    "passes bytes on in both directions",
    arguments: [1, 100, 16_383, 16_384, 16_385, 100_000, 3_000_000])
  func roundTrip(count: Int) async throws {
    try await TLSStage.with { stage in
      await stage.shakeHands()
      let sent = Self.bytes(count)
      for end in [stage.client, stage.server] { end.stream.resumeReading() }
      await stage.client.write(sent)
      await stage.server.until { $0.received.count >= count }
      await stage.server.write(sent.reversed())
      await stage.client.until { $0.received.count >= count }
      #expect(stage.server.received == sent)
      #expect(stage.client.received == sent.reversed())
    }
  }

  @Test("ends each side separately")
  func halfClose() async throws {
    try await TLSStage.with { stage in
      await stage.shakeHands()
      for end in [stage.client, stage.server] { end.stream.resumeReading() }
      stage.client.stream.finishWriting()
      await stage.server.until { $0.end != nil }
      #expect(stage.server.hasEndedInOrder)
      let sent = Self.bytes(1_000_000)
      await stage.server.write(sent)
      stage.server.stream.finishWriting()
      await stage.client.until { $0.end != nil }
      #expect(stage.client.received == sent)
      #expect(stage.client.hasEndedInOrder)
      #expect(stage.client.writeFailure == nil)
    }
  }

  @Test("reports an end that came while it was paused")
  func endWhilePaused() async throws {
    try await TLSStage.with { stage in
      await stage.shakeHands()
      stage.server.didRead = { [server = stage.server] _ in server.stream.pauseReading() }
      stage.server.stream.resumeReading()
      await stage.client.write([1, 2, 3])
      stage.client.stream.finishWriting()
      await stage.server.until { $0.received.count == 3 }
      #expect(stage.server.end == nil)
      stage.server.stream.resumeReading()
      await stage.server.until { $0.end != nil }
      #expect(stage.server.hasEndedInOrder)
    }
  }

  @Test("counts an end without close_notify as broken")
  func lost() async throws {
    try await TLSStage.with { stage in
      await stage.shakeHands()
      stage.server.stream.resumeReading()
      await stage.client.write([1, 2, 3])
      stage.client.stream.close()
      await stage.server.until { $0.end != nil }
      #expect(stage.server.received == [1, 2, 3])
      guard case .failure(let error)? = stage.server.end else {
        Issue.record("it ended in order")
        return
      }
      #expect(error.code == .broken)
      #expect(error.message.contains("close_notify"))
    }
  }

  @Test("returns no more than the limit of a read")
  func readLimit() async throws {
    try await TLSStage.with { stage in
      await stage.shakeHands()
      var largest = 0
      stage.server.didRead = { largest = max(largest, $0.count) }
      stage.server.stream.readLimit = 10
      stage.server.stream.resumeReading()
      await stage.client.write(Self.bytes(1_000))
      await stage.server.until { $0.received.count == 1_000 }
      #expect(largest == 10)
      #expect(stage.server.received == Self.bytes(1_000))
    }
  }

  @Test("knows the alert with which a server refuses it before the handshake")
  func accessDenied() async throws {
    try await TLSStage.with { stage in
      TLSAlert.accessDeniedRecord.withUnsafeBytes { _ = stage.server.lower.write($0, nil) }
      stage.client.stream.startHandshake()
      await stage.client.until { $0.handshake != nil }
      #expect(stage.client.stream.peerAlert == .accessDenied)
      #expect(stage.server.stream.peerAlert == nil)
    }
  }

  @Test("refuses a peer that does not speak TLS")
  func noTLS() async throws {
    try await TLSStage.with { stage in
      let text = Array("TELPHER1 is not TLS".utf8)
      _ = text.withUnsafeBytes { stage.client.lower.write($0, nil) }
      stage.server.stream.resumeReading()
      await stage.server.until { $0.end != nil }
      #expect(!stage.server.hasEndedInOrder)
      #expect(stage.server.received.isEmpty)
    }
  }
}
