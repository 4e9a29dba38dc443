import TelpherNATS
import TelpherTestSupport
import Testing

/// JetStream of a real nats-server.
@Suite(.enabled(if: NATSServer.program != nil, NATSServer.missing))
struct JetStreamTests {
  private static func with(
    _ body: (JetStream, NATSServer) async throws -> Void
  ) async throws {
    try await Stage.with { stage in
      let connection = try await stage.connect()
      var jetStream = JetStream(connection)
      jetStream.limit = .seconds(120)
      try await body(jetStream, stage.server)
      await connection.close()
    }
  }

  private static var queue: StreamSettings {
    var settings = StreamSettings(name: "Q", subjects: ["q.>"])
    settings.retention = .workqueue
    settings.discard = .new
    settings.maxAge = 3_600_000_000_000
    return settings
  }

  private static var values: StreamSettings {
    var settings = StreamSettings(name: "V", subjects: ["v.>"])
    settings.maxMessagesPerSubject = 1
    settings.allowDirect = true
    return settings
  }

  @Test func `A stream is created once, and other settings are an error`() async throws {
    try await Self.with { jetStream, _ in
      #expect(try await jetStream.settings(ofStream: "Q") == nil)
      try await jetStream.ensure(Self.queue)
      try await jetStream.ensure(Self.queue)
      let existing = try #require(try await jetStream.settings(ofStream: "Q"))
      #expect(Self.queue.differences(from: existing) == [])
      var other = Self.queue
      other.maxAge = 7_200_000_000_000
      do throws(NATSError) {
        try await jetStream.ensure(other)
        Issue.record("it was accepted")
      } catch {
        #expect(error.number == NATSError.Number.streamExists)
        #expect(error.message.contains("max_age is 3600000000000 instead of 7200000000000"))
      }
    }
  }

  @Test func `A consumer is created once, and other settings are an error`() async throws {
    try await Self.with { jetStream, _ in
      try await jetStream.ensure(Self.queue)
      var consumer = ConsumerSettings(name: "web", filter: "q.web.*")
      try await jetStream.ensure(consumer, of: "Q")
      try await jetStream.ensure(consumer, of: "Q")
      consumer.ackWait = 5_000_000_000
      #expect(try await code { try await jetStream.ensure(consumer, of: "Q") } == .refused)
      // A work queue has one consumer for each subject.
      let second = ConsumerSettings(name: "second", filter: "q.web.*")
      #expect(try await code { try await jetStream.ensure(second, of: "Q") } == .refused)
      #expect(try await jetStream.deleteConsumer("Q", "web"))
      #expect(try await !jetStream.deleteConsumer("Q", "web"))
      #expect(try await jetStream.pending("Q", "web") == nil)
    }
  }

  @Test func `A message with the same id is stored once`() async throws {
    try await Self.with { jetStream, _ in
      try await jetStream.ensure(Self.queue)
      let first = try await jetStream.publish("q.web.1", [1], .init(id: "1"))
      let second = try await jetStream.publish("q.web.1", [1], .init(id: "1"))
      #expect(first == PublishAcknowledgement(sequence: 1, isDuplicate: false))
      #expect(second == PublishAcknowledgement(sequence: 1, isDuplicate: true))
      #expect(try await jetStream.count(ofStream: "Q") == 1)
      #expect(try await jetStream.subjects(ofStream: "Q", "q.>") == ["q.web.1"])
      #expect(try await jetStream.purge("Q", "q.web.1") == 1)
      #expect(try await jetStream.purge("Q", "q.web.1") == 0)
      #expect(try await jetStream.subjects(ofStream: "Q", "q.>") == [])
    }
  }

  @Test func `A message is pulled, and comes again unless it is settled`() async throws {
    try await Self.with { jetStream, _ in
      try await jetStream.ensure(Self.queue)
      try await jetStream.ensure(ConsumerSettings(name: "web", filter: "q.web.*"), of: "Q")
      #expect(try await jetStream.pull("Q", "web", within: .milliseconds(20)) == nil)
      let waiting = Task { try await jetStream.pull("Q", "web", within: .seconds(3_600)) }
      _ = try await jetStream.publish("q.web.1", Array("job".utf8), .init(id: "1"))
      let first = try #require(try await waiting.value)
      #expect(first.subject == "q.web.1" && first.payload == Array("job".utf8))
      #expect(first.sequence == 1 && first.deliveries == 1)
      try await jetStream.settle(first, .working)
      try await jetStream.settle(first, .later(.milliseconds(1)))
      let again = try #require(try await jetStream.pull("Q", "web", within: .seconds(3_600)))
      #expect(again.deliveries == 2)
      #expect(try #require(await jetStream.pending("Q", "web")) == (0, 1))
      try await jetStream.settle(again, .done)
      #expect(try await jetStream.count(ofStream: "Q") == 0)
      _ = try await jetStream.publish("q.web.2", [], .init(id: "2"))
      let poisoned = try #require(try await jetStream.pull("Q", "web", within: .seconds(3_600)))
      try await jetStream.settle(poisoned, .never("no reason"))
      #expect(try await jetStream.pull("Q", "web", within: .milliseconds(20)) == nil)
    }
  }

  @Test func `A message for a pull that was canceled goes to another one`() async throws {
    try await Self.with { jetStream, _ in
      try await jetStream.ensure(Self.queue)
      var consumer = ConsumerSettings(name: "web", filter: "q.web.*")
      // A message that got lost would come again after an hour only.
      consumer.ackWait = 3_600_000_000_000
      try await jetStream.ensure(consumer, of: "Q")
      for number in 1...50 {
        let canceled = (0..<4).map { _ in
          Task { try await jetStream.pull("Q", "web", within: .seconds(3_600)) }
        }
        async let stored = jetStream.publish(
          try NATSSubject("q.web.\(number)"), [UInt8(number)], .init(id: "\(number)"))
        for task in canceled { task.cancel() }
        var taken: [PulledMessage] = []
        for task in canceled {
          // A pull may have ended before it was canceled.
          if let message = try? await task.value { taken.append(message) }
        }
        _ = try await stored
        if taken.isEmpty {
          taken = [try #require(try await jetStream.pull("Q", "web", within: .seconds(3_600)))]
        }
        #expect(taken.map(\.payload) == [[UInt8(number)]])
        for message in taken { try await jetStream.settle(message, .done) }
      }
      #expect(try await jetStream.count(ofStream: "Q") == 0)
    }
  }

  @Test func `A consumer that is missing, or removed during a pull, is an error`() async throws {
    try await Self.with { jetStream, _ in
      try await jetStream.ensure(Self.queue)
      #expect(
        try await code { _ = try await jetStream.pull("Q", "web", within: .seconds(3_600)) }
          == .noResponders)
      try await jetStream.ensure(ConsumerSettings(name: "web", filter: "q.web.*"), of: "Q")
      let waiting = Task { try await jetStream.pull("Q", "web", within: .seconds(3_600)) }
      try await eventually("it waits") {
        // The server counts the pulls that wait.
        try await jetStream.waitingPulls("Q", "web") == 1
      }
      _ = try await jetStream.deleteConsumer("Q", "web")
      #expect(try await code { _ = try await waiting.value } == .refused)
    }
  }

  /// Writes `text` as a value; nil if another one is there than expected.
  private static func put(
    _ jetStream: JetStream, _ text: String, _ expected: UInt64
  ) async throws(NATSError) -> UInt64? {
    do throws(NATSError) {
      return try await jetStream.publish(
        "v.x", Array(text.utf8), .init(id: text, expectedLastSequence: expected)
      ).sequence
    } catch  where error.isWrongLastSequence {
      return nil
    }
  }

  @Test func `A value is replaced only if it is the expected one`() async throws {
    try await Self.with { jetStream, _ in
      try await jetStream.ensure(Self.values)
      #expect(try await jetStream.lastMessage("V", "v.x") == nil)
      #expect(try await jetStream.directMessage("V", "v.x") == nil)
      let first = try #require(try await Self.put(jetStream, "a", 0))
      #expect(try await Self.put(jetStream, "b", 0) == nil)
      let second = try #require(try await Self.put(jetStream, "c", first))
      #expect(try await Self.put(jetStream, "d", first) == nil)
      // The same again is no second write; the id of the stored message tells that it was the first.
      #expect(try await Self.put(jetStream, "c", first) == nil)
      for found in [
        try await jetStream.lastMessage("V", "v.x"), try await jetStream.directMessage("V", "v.x"),
      ] {
        let message = try #require(found)
        #expect(message.sequence == second && message.payload == Array("c".utf8))
        #expect(message.headers["Nats-Msg-Id"] == "c" && !message.isRemoval)
      }
      #expect(try await jetStream.delete("V", sequence: second))
      #expect(try await !jetStream.delete("V", sequence: second))
      // The same for one in the middle.
      for number in 5...7 {
        let subject = try NATSSubject("v.\(number)")
        _ = try await jetStream.publish(subject, [], .init(id: "\(number)"))
      }
      #expect(try await jetStream.delete("V", sequence: second + 2))
      #expect(try await !jetStream.delete("V", sequence: second + 2))
      #expect(try await jetStream.lastMessage("V", "v.x") == nil)
    }
  }

  @Test func `Of several writers that expect the same, one wins`() async throws {
    try await Self.with { jetStream, _ in
      try await jetStream.ensure(Self.values)
      let winners = try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<20 {
          group.addTask {
            try await Self.put(jetStream, "\(number)", 0) != nil
          }
        }
        return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(winners == 1)
    }
  }

  @Test func `Stored messages are listed in pages`() async throws {
    try await Self.with { jetStream, _ in
      try await jetStream.ensure(Self.values)
      for number in 0..<25 {
        let subject = try NATSSubject("v.\(number % 2 == 0 ? "even" : "odd").\(number)")
        _ = try await jetStream.publish(subject, [UInt8(number)], .init(id: "\(number)"))
      }
      var found: [UInt8] = []
      var (next, pages): (UInt64, Int) = (0, 0)
      while true {
        let page = try await jetStream.messages("V", "v.even.*", from: next, batch: 5)
        found += page.messages.flatMap(\.payload)
        pages += 1
        guard page.hasMore, let last = page.messages.last else { break }
        next = last.sequence + 1
      }
      #expect(found == (0..<13).map { UInt8($0 * 2) })
      #expect(pages == 3)
      #expect(try await jetStream.messages("V", "v.none", from: 0).messages.isEmpty)
    }
  }

  @Test func `A bucket keeps the newest value of each key, for its time`() async throws {
    try await Self.with { jetStream, _ in
      let bucket = try NATSBucket("B", jetStream)
      try await jetStream.ensure(bucket.settings(replicas: 1, maxAge: 3_600_000_000_000))
      try await bucket.put("a", [1])
      try await bucket.put("a", [2])
      try await bucket.put("b", [3])
      #expect(try await bucket.value("a")?.payload == [2])
      #expect(try await bucket.all().map(\.key) == ["a", "b"])
      try await bucket.put("b", [4], timeToLive: 1)
      try await eventually("the value has expired") { try await bucket.value("b") == nil }
      #expect(try await bucket.all().map(\.key) == ["a"])
      try await bucket.remove("a")
      #expect(try await bucket.value("a") == nil)
    }
  }

  @Test func `What was confirmed survives kill -9, and requests wait for the server`() async throws
  {
    try await Self.with { jetStream, server in
      try await jetStream.ensure(Self.queue)
      try await jetStream.ensure(ConsumerSettings(name: "web", filter: "q.web.*"), of: "Q")
      for number in 1...5 {
        async let stored = jetStream.publish(
          try NATSSubject("q.web.\(number)"), [UInt8(number)], .init(id: "\(number)"))
        server.kill()
        try server.start()
        _ = try await stored
      }
      var found: Set<UInt8> = []
      while found.count < 5 {
        guard let message = try await jetStream.pull("Q", "web", within: .seconds(60)) else {
          continue
        }
        found.formUnion(message.payload)
        try await jetStream.settle(message, .done)
      }
      #expect(found == [1, 2, 3, 4, 5])
    }
  }
}
