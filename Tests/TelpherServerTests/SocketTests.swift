import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15))) struct SocketTests {
  @Test func bytesGoBothWaysAndEachDirectionEndsSeparately() async throws {
    try await Sockets.withService { fixture, service in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1), data(1, 0, Array("hello".utf8), fin: true))
      let socket = await service.socket()
      try await socket.until("hello") { $0.text == "hello" && $0.hasEndedInOrder }
      #expect(try await client.frame(5, 1).text == #"{"opened":{"address":"tcp:127.0.0.1:7"}}"#)
      await socket.send("good")
      try await client.until("good") { $0.output(1) == Array("good".utf8) }
      await socket.send("bye")
      await socket.finishWriting()
      #expect(try await client.result(1) == #"{"bytes":{"0":5,"1":7},"result":"ok"}"#)
      #expect(await client.output(1) == Array("goodbye".utf8))
      #expect(await client.frames.contains { $0.isFin && $0.channel == 1 })
    }
  }

  @Test func anEndOfTheServiceLeavesTheOtherDirectionOpen() async throws {
    try await Sockets.withService { fixture, service in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1))
      let socket = await service.socket()
      await socket.finishWriting()
      try await client.until("the FIN") { $0.frames.contains { $0.isFin && $0.channel == 1 } }
      await client.send(data(1, 0, [1, 2, 3]))
      try await socket.until("the bytes") { $0.bytes == [1, 2, 3] }
      #expect(await socket.end == nil)
      await client.send(data(1, 0, [4], fin: true))
      #expect(try await client.result(1) == #"{"bytes":{"0":4,"1":0},"result":"ok"}"#)
      #expect(await socket.hasEndedInOrder)
    }
  }

  @Test func aCheckConnectsNothing() async throws {
    try await Sockets.withService { fixture, service in
      let client = try await fixture.client()
      await client.send(open(1, #"{"op":"check","address":"tcp:127.0.0.1:7"}"#))
      #expect(try await client.result(1) == #"{"result":"ok"}"#)
      await client.send(open(3, #"{"op":"check","address":"vsock:3:7"}"#))
      #expect(try await client.result(3).contains("only TCP ports and Unix sockets"))
      await client.send(open(5, #"{"op":"check"}"#))
      #expect(try await client.result(5).contains("'address' is missing"))
      #expect(await service.sockets.isEmpty)
    }
    try await Fixture.inMemory {
      $0.forwardsConnections = false
    } _: { fixture in
      let client = try await fixture.client()
      await client.send(open(1, #"{"op":"check","address":"tcp:127.0.0.1:7"}"#))
      let result = try await client.result(1)
      #expect(result.contains("refused") && result.contains("--no-forward"))
    }
  }

  @Test func aRefusedConnectionIsAnError() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1, "tcp:127.0.0.1:9"), data(1, 0, [1]))
      let result = try await client.result(1)
      #expect(result.contains(#""result":"failed""#) && result.contains(#""errno":111"#))
      #expect(result.contains("tcp:127.0.0.1:9"))
      await client.send(Sockets.connect(3, "unix:/no/such"))
      #expect(try await client.result(3).contains(#""errno":2"#))
    }
  }

  @Test(arguments: [
    "tcp:127.0.0.1", "http://x", "unix:relative", "unix:", "tcp:no.such.host.invalid:80",
  ])
  func aBadAddressIsAnError(_ address: String) async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1, address))
      let result = try await client.result(1)
      #expect(result.contains("refused") || result.contains("failed"), "\(result)")
      #expect(result.contains(#""message""#))
    }
  }

  @Test func aRequestWithoutItsKeyIsRefused() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      for (number, operation) in ["connect", "listen", "accept"].enumerated() {
        let stream = UInt32(2 * number + 1)
        await client.send(open(stream, #"{"op":"\#(operation)"}"#))
        #expect(try await client.result(stream).contains("is missing"))
      }
      let long = String(repeating: "a", count: 600)
      await client.send(Sockets.connect(7, "tcp:\(long):1"))
      #expect(try await client.result(7).contains("longer than 512 bytes"))
    }
  }

  @Test func aBrokenSocketResetsTheStream() async throws {
    try await Sockets.withService { fixture, service in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1))
      let socket = await service.socket()
      await socket.send("part")
      try await client.until("the part") { $0.output(1) == Array("part".utf8) }
      await socket.reset()
      let reset = try await client.frame(7, 1)
      // The code SOCKET_BROKEN, and the bytes that were sent.
      #expect(Array(reset.payload.prefix(12)) == big(UInt32(13)) + big(UInt64(4)))
      #expect(await !client.frames.contains { $0.isFin && $0.channel == 1 })
    }
  }

  @Test func aResetOfTheStreamBreaksTheSocket() async throws {
    try await Sockets.withService { fixture, service in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1))
      let socket = await service.socket()
      await client.send(data(1, 0, [1]), reset(1))
      try await socket.ended()
      #expect(await socket.wasReset)
    }
  }

  @Test func aLostClientBreaksItsSockets() async throws {
    try await Sockets.withService { fixture, service in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1), Sockets.listen(3))
      let socket = await service.socket()
      try await client.frame(5, 3)
      let visitor = try await PlainSocket.connect(
        to: .tcp(host: "127.0.0.1", port: 80), on: fixture.clientLoop)
      try await client.until("the visitor") { $0.frames.filter { $0.stream == 3 }.count == 2 }
      await client.close()
      try await socket.ended()
      try await visitor.ended()
      #expect(await socket.wasReset)
      #expect(await visitor.wasReset)
      // Nothing listens any more.
      await #expect(throws: TransportError.self) {
        _ = try await PlainSocket.connect(
          to: .tcp(host: "127.0.0.1", port: 80), on: fixture.clientLoop)
      }
    }
  }

  @Test func cancelBreaksTheSocket() async throws {
    try await Sockets.withService { fixture, service in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1))
      let socket = await service.socket()
      await client.send(control(1, #"{"cancel":true}"#))
      #expect(try await client.result(1).contains(#""result":"canceled""#))
      try await socket.ended()
      #expect(await socket.wasReset)
    }
  }

  /// The server reads no more than the client takes, and grants no more than the service takes.
  @Test func bothDirectionsHaveBackpressure() async throws {
    try await Sockets.withService { fixture, service in
      let client = try await fixture.client(
        #"{"version":1,"window":65536,"connection_window":1048576}"#)
      await client.send(Sockets.connect(1))
      let socket = await service.socket()
      await socket.pauseReading()
      await socket.send([UInt8](repeating: 1, count: 1 << 20))
      // The window of the client, and not a byte more.
      try await client.until("the window") { $0.dataBytes == 65_536 }
      await client.send(data(1, 0, [UInt8](repeating: 2, count: 256 << 10)))
      try await client.sync()
      #expect(await client.dataBytes == 65_536)
      // The pipe in memory takes 64 KiB of the 256 KiB; half of the window is not taken.
      let hasMoreCredit: @Sendable (RawFrame) -> Bool = {
        $0.type == 4 && $0.stream == 1 && number($0.payload) > 256 << 10
      }
      #expect(await !client.frames.contains(where: hasMoreCredit))
      await socket.resumeReading()
      try await socket.until("all bytes") { $0.count == 256 << 10 }
      try await client.until("credit") { $0.frames.contains(where: hasMoreCredit) }
      await client.send(window(1, 1, 1 << 21))
      try await client.until("the rest") { $0.dataBytes == 1 << 20 }
    }
  }

  /// Single bytes that wait for the socket must not cost more than their window.
  @Test func singleBytesThatWaitArriveInOrder() async throws {
    try await Sockets.withService { fixture, service in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1))
      let socket = await service.socket()
      await socket.pauseReading()
      var expected: [UInt8] = []
      for number in 0..<2_000 {
        let piece = [UInt8](repeating: UInt8(number % 251), count: number % 3 == 0 ? 100 : 1)
        expected += piece
        await client.send(data(1, 0, piece))
      }
      let large = [UInt8](repeating: 9, count: 100_000)
      await client.send(data(1, 0, large), data(1, 0, [7], fin: true))
      expected += large + [7]
      try await client.sync()
      await socket.resumeReading()
      try await socket.ended()
      let bytes = await socket.bytes
      #expect(bytes.count == expected.count && bytes == expected)
      #expect(await socket.hasEndedInOrder)
    }
  }

  @Test func bytesThatComeBeforeTheConnectionAreKept() async throws {
    try await Sockets.withService { fixture, service in
      let client = try await fixture.client()
      let bytes = [UInt8](0..<200)
      var frames: [UInt8] = Sockets.connect(1)
      for byte in bytes { frames += data(1, 0, [byte]) }
      await client.send(frames)
      let socket = await service.socket()
      try await socket.until("the bytes") { $0.bytes == bytes }
    }
  }
}
