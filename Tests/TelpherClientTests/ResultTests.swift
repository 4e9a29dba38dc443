import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15))) struct ResultTests {
  static let answer =
    hello() + data(1, 1, Array("out".utf8)) + data(1, 1, fin: true) + data(1, 2, fin: true)
    + close(1, #"{"result":"exited","code":0,"bytes":{"1":3,"2":0}}"#)

  @Test func aCompleteAnswerIsAResult() async throws {
    try await FakeServer.with(greets: false) { server in
      let connection = server.connection
      let running = Task { try await connection.run(Command("x")) }
      try await server.peer.until { peer in peer.frames.contains { $0.type == 2 } }
      await server.peer.send(Self.answer)
      await server.peer.finishWriting()
      let result = try await running.value
      #expect(result.result.isSuccess)
      #expect(result.output == Array("out".utf8))
    }
  }

  @Test(arguments: [true, false])
  func anAnswerThatIsCutOffAtAnyByteIsLost(isOrderly: Bool) async throws {
    for count in 0..<Self.answer.count {
      try await FakeServer.with(greets: false) { server in
        let connection = server.connection
        let running = Task { try await connection.run(Command("x")) }
        // Wait for the request: without one there is no result that could be lost.
        try await server.peer.until { peer in peer.frames.contains { $0.type == 2 } }
        await server.peer.send(Array(Self.answer.prefix(count)))
        if isOrderly { await server.peer.finishWriting() } else { await server.peer.close() }
        do {
          let result = try await running.value
          Issue.record("a result after \(count) bytes: \(result)")
        } catch let error as ClientError {
          #expect(error.code == .lost, "after \(count) bytes: \(error)")
        }
      }
    }
  }

  /// Wrong or bad answers of a server, and the error for each.
  static let faults: [(answer: [UInt8], code: ClientError.Code)] = [
    (close(1, #"{"result":"exited","code":0,"bytes":{"1":1,"2":0}}"#), .lost),
    (data(1, 1, [1]) + close(1, #"{"result":"exited","code":0,"bytes":{"1":0,"2":0}}"#), .lost),
    (close(1, #"{"result":"exited","code":256,"bytes":{"1":0,"2":0}}"#), .protocolError),
    (close(1, #"{"result":"exited","code":-1,"bytes":{"1":0,"2":0}}"#), .protocolError),
    (close(1, #"{"result":"exited","bytes":{"1":0,"2":0}}"#), .protocolError),
    (close(1, #"{"result":"signaled","signal":-128,"bytes":{"1":0,"2":0}}"#), .protocolError),
    (close(1, #"{"result":"signaled","signal":128,"bytes":{"1":0,"2":0}}"#), .protocolError),
    (close(1, #"{"result":"signaled","bytes":{"1":0,"2":0}}"#), .protocolError),
    (close(1, #"{"result":"exited","code":0,"signal":9,"bytes":{"1":0,"2":0}}"#), .protocolError),
    (close(1, #"{"result":"signaled","code":0,"signal":9,"bytes":{"1":0,"2":0}}"#), .protocolError),
    (close(1, #"{"result":"exited","code":0}"#), .protocolError),
    (close(1, #"{"result":"exited","code":0,"bytes":{"1":0}}"#), .protocolError),
    (close(1, #"{"result":"timed_out","signal":9}"#), .protocolError),
    (close(1, #"{"result":"timed_out","code":256,"bytes":{"1":0,"2":0}}"#), .protocolError),
    (close(1, #"{"result":"canceled","code":0}"#), .protocolError),
    (close(1, #"{"result":"vanished"}"#), .protocolError),
    (close(1, "{"), .protocolError),
    (close(1, #"{"result":"refused","message":"no"}"#), .refused),
    (reset(1, 2, "a fault"), .lost),
    (goAway(0, 0, "later"), .refused),
    (goAway(0, 11, "ending"), .refused),
    (goAway(0, 6, "who are you"), .notAuthenticated),
    (goAway(1, 11, "ending"), .lost),
    (goAway(1, 7, "too many"), .lost),
    (goAway(1, 10, "too slow"), .lost),
    (data(3, 1, [1]), .protocolError),
    (data(1, 0, [1]), .protocolError),
  ]

  @Test(arguments: faults.indices)
  func aFaultIsNeverAResult(_ index: Int) async throws {
    try await FakeServer.with { server in
      let connection = server.connection
      let running = Task { try await connection.run(Command("x")) }
      try await server.peer.until { peer in peer.frames.contains { $0.type == 2 } }
      await server.peer.send(Self.faults[index].answer)
      await server.peer.finishWriting()
      do {
        let result = try await running.value
        Issue.record("a result: \(result)")
      } catch let error as ClientError {
        #expect(error.code == Self.faults[index].code, "\(error.code): \(error)")
      }
    }
  }

  @Test func cancelingTheTaskCancelsTheCommand() async throws {
    try await FakeServer.with { server in
      let connection = server.connection
      let running = Task { try await connection.run(Command("x")) }
      try await server.peer.until { peer in peer.frames.contains { $0.type == 2 } }
      running.cancel()
      #expect(try await server.peer.frame(5, 1).text == #"{"cancel":true}"#)
      await server.peer.send(close(1, #"{"result":"canceled","signal":15,"bytes":{"1":0,"2":0}}"#))
      await #expect(throws: CancellationError.self) { try await running.value }
    }
  }

  @Test func aBodyThatThrowsCancelsTheCommand() async throws {
    struct Stop: Error {}
    try await FakeServer.with { server in
      let connection = server.connection
      let running = Task { try await connection.run(Command("x")) { _ in throw Stop() } }
      let message = try await server.peer.frame(5, 1).text
      #expect(message.contains(#""cancel":true"#))
      await server.peer.send(close(1, #"{"result":"canceled","signal":15,"bytes":{"1":0,"2":0}}"#))
      await #expect(throws: Stop.self) { _ = try await running.value }
    }
  }

  @Test func outputPastTheLimitCancelsTheCommand() async throws {
    try await FakeServer.with { server in
      let connection = server.connection
      let running = Task { try await connection.run(Command("x"), limit: 2) }
      try await server.peer.until { peer in peer.frames.contains { $0.type == 2 } }
      await server.peer.send(data(1, 1, [1, 2, 3]))
      let message = try await server.peer.frame(5, 1).text
      #expect(message.contains(#""cancel":true"#))
      await server.peer.send(close(1, #"{"result":"canceled","signal":15,"bytes":{"1":0,"2":0}}"#))
      await #expect { try await running.value } throws: {
        ($0 as? ClientError)?.code == .outputLimit
      }
    }
  }

  @Test func aTaskThatDoesNotPreferTheLoopReadsOutputInOrder() async throws {
    try await FakeServer.with { server in
      let connection = server.connection
      let running = Task {
        try await connection.run(Command("x")) { command in
          var bytes: [UInt8] = []
          for try await chunk in command.output { bytes.append(contentsOf: chunk) }
          return bytes
        }
      }
      try await server.peer.until { peer in peer.frames.contains { $0.type == 2 } }
      let sent = (0..<2_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
      for byte in sent { await server.peer.send(data(1, 1, [byte])) }
      await server.peer.send(
        data(1, 1, fin: true), close(1, #"{"result":"exited","code":0,"bytes":{"1":2000,"2":0}}"#))
      #expect(try await running.value.value == sent)
    }
  }

  @Test func inputWaitsForCreditAndEndsWhenTheCommandStopsReading() async throws {
    try await FakeServer.with(greets: false) { server in
      await server.peer.send(hello(#"{"version":1,"window":100}"#))
      let connection = server.connection
      let running = Task {
        try await connection.run(Command("x"), input: [UInt8](repeating: 1, count: 1_000))
      }
      try await server.peer.until { $0.dataBytes == 100 }
      await server.peer.send(window(1, 0, 250))
      try await server.peer.until { $0.dataBytes == 250 }
      await server.peer.send(
        control(1, #"{"stop_sending":0}"#),
        close(1, #"{"result":"exited","code":7,"bytes":{"1":0,"2":0}}"#))
      #expect(try await running.value.result.status == .exited(7))
      #expect(await server.peer.dataBytes == 250)
    }
  }

  @Test func allRequestsFailWhenTheConnectionEnds() async throws {
    try await FakeServer.with { server in
      let connection = server.connection
      let runs = (0..<20).map { _ in Task { try await connection.run(Command("x")) } }
      let info = Task { try await connection.info() }
      try await server.peer.until { peer in peer.frames.filter { $0.type == 2 }.count == 21 }
      let ping = Task { try await connection.ping() }
      try await server.peer.until { peer in peer.frames.contains { $0.type == 8 } }
      await server.peer.finishWriting()
      for run in runs {
        await #expect { try await run.value } throws: { ($0 as? ClientError)?.code == .lost }
      }
      await #expect(throws: ClientError.self) { try await info.value }
      await #expect(throws: ClientError.self) { try await ping.value }
      await #expect(throws: ClientError.self) { try await connection.ping() }
    }
  }
}
