import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15)))
struct TransferTests {
  @Test(arguments: Backends.all, AddressKind.allCases)
  func bytesArriveInOrder(_ backend: TransportUnderTest, _ kind: AddressKind) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      let sent = testBytes(1 << 20)
      var generator = SeededGenerator(seed: 7)
      server.resume()
      var offset = 0
      while offset < sent.count {
        let size = min(Int.random(in: 1...9000, using: &generator), sent.count - offset)
        client.write(Array(sent[offset..<(offset + size)]))
        offset += size
        if offset % 3 == 0 { await Task.yield() }
      }
      try await stage.until("all bytes") { server.bytes.count == sent.count }
      #expect(isSame(server.bytes, sent))
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func singleBytesArriveInOrder(_ backend: TransportUnderTest, _ kind: AddressKind) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      let sent = testBytes(3000)
      server.resume()
      for byte in sent { client.write([byte]) }
      try await stage.until("all bytes") { server.bytes.count == sent.count }
      #expect(isSame(server.bytes, sent))
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func manyBytesPassInBothDirectionsAtOnce(_ backend: TransportUnderTest, _ kind: AddressKind)
    async throws
  {
    try await backend.run(loops: 2) { stage in
      let there = testBytes(8 << 20, seed: 2)
      let back = testBytes(8 << 20, seed: 3)
      let door = try stage.listen(kind)
      let other = Stage(stage.rig, loop: stage.rig.loops[1])
      let address = door.socket.address
      async let isGood = other.exchange(address, sending: there, expecting: back)
      try await stage.until("accepted") { !door.accepted.isEmpty }
      let isGoodHere = try await stage.exchange(door.accepted[0], sending: back, expecting: there)
      #expect(isGoodHere)
      #expect(try await isGood)
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func headAndBodyArriveInOrder(_ backend: TransportUnderTest, _ kind: AddressKind) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      var generator = SeededGenerator(seed: 5)
      var sent: [UInt8] = []
      for _ in 0..<300 {
        let head = testBytes(Int.random(in: 0...12, using: &generator), seed: generator.next())
        let body = testBytes(Int.random(in: 0...5000, using: &generator), seed: generator.next())
        sent += head + body
        client.write(head: head, body: Chunk(body))
      }
      server.resume()
      try await stage.until("all bytes") { server.bytes.count == sent.count }
      #expect(isSame(server.bytes, sent))
    }
  }

  @Test(arguments: Backends.all)
  func writingASliceWritesOnlyItsBytes(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      server.resume()
      client.write(head: [0], body: Chunk([1, 2, 3, 4, 5, 6]).slice(2..<4))
      try await stage.until("all bytes") { server.bytes == [0, 3, 4] }
    }
  }

  @Test(arguments: Backends.all)
  func aQueuedHeadIsACopy(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      let fill = client.fill()
      var head: [UInt8] = [1, 2, 3]
      head.withUnsafeMutableBytes { head in
        _ = client.stream.write(UnsafeRawBufferPointer(head), nil)
        for index in head.indices { head[index] = 0 }
      }
      server.resume()
      try await stage.until("all bytes") { server.bytes.count == fill + 3 }
      #expect(Array(server.bytes.suffix(3)) == [1, 2, 3])
    }
  }

  @Test(arguments: Backends.all)
  func anEmptyWriteDoesNothing(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      server.resume()
      #expect(client.write([]))
      #expect(client.write(body: Chunk([])))
      client.write([9])
      try await stage.until("the byte") { server.bytes == [9] }
      #expect(client.writables == 0)
    }
  }

  @Test(arguments: Backends.all)
  func keptChunksStayIntact(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      let sent = testBytes(1 << 20)
      var kept: [Chunk] = []
      var count = 0
      server.stream.onRead = { chunk in
        kept.append(chunk)
        count += chunk.count
        stage.events.happened()
      }
      server.resume()
      client.write(body: Chunk(sent))
      try await stage.until("all bytes") { count == sent.count }
      var received: [UInt8] = []
      for chunk in kept { received.append(contentsOf: chunk) }
      #expect(isSame(received, sent))
    }
  }
}

extension Probe {
  /// Writes until some bytes are queued; returns the total number of bytes.
  func fill() -> Int {
    let block = Chunk(testBytes(16 * 1024))
    var count = block.count
    while write(body: block) { count += block.count }
    return count
  }
}

extension Stage {
  /// Connects and exchanges.
  func exchange(
    _ address: SocketAddress, sending: [UInt8], expecting: [UInt8]
  ) async throws -> Bool {
    try await exchange(connect(to: address), sending: sending, expecting: expecting)
  }

  /// Writes `sending` in pieces as the stream accepts them, reads the expected number of bytes, and
  /// returns whether they match.
  func exchange(_ probe: Probe, sending: [UInt8], expecting: [UInt8]) async throws -> Bool {
    var rest = Chunk(sending)
    func send() {
      while !rest.isEmpty {
        let piece = rest.removePrefix(min(rest.count, 100_000))
        if !probe.write(body: piece) { return }
      }
    }
    probe.didBecomeWritable = send
    probe.resume()
    send()
    try await until("all bytes") {
      probe.bytes.count >= expecting.count && rest.isEmpty && probe.stream.queuedBytes == 0
    }
    probe.didBecomeWritable = nil
    return isSame(probe.bytes, expecting)
  }
}
