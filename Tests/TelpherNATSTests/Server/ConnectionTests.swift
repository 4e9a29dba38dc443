import TelpherKeys
import TelpherNATS
import TelpherTestSupport
import TelpherTransport
import Testing

/// Connections to a real nats-server.
@Suite(.enabled(if: NATSServer.program != nil, NATSServer.missing))
struct ConnectionTests {
  @Test(arguments: SystemBackend.all)
  func `Messages reach the subscriptions that match`(_ backend: SystemBackend) async throws {
    try await Stage.with(backend) { stage in
      let (sender, receiver) = (try await stage.connect(), try await stage.connect())
      let (all, one) = (Inbox(), Inbox())
      _ = await receiver.subscribe("a.>") { all.receive($0) }
      let single = await receiver.subscribe("a.*") { one.receive($0) }
      try await receiver.flush()
      let headers = NATSHeaders([.init("Name", "value")])
      try await sender.publish("a.b", headers: headers, Array("1".utf8))
      try await sender.publish("a.b.c", Array("2".utf8))
      try await sender.flush()
      try await eventually("both have arrived") { all.messages.count == 2 }
      #expect(all.texts == ["1", "2"])
      #expect(all.messages[0].headers["Name"] == "value")
      #expect(one.texts == ["1"])
      await receiver.unsubscribe(single)
      try await receiver.flush()
      try await sender.publish("a.b", Array("3".utf8))
      try await eventually("the third has arrived") { all.texts == ["1", "2", "3"] }
      #expect(one.texts == ["1"])
      await sender.close()
      await receiver.close()
    }
  }

  @Test(arguments: SystemBackend.all)
  func `A large message arrives whole, and a too large one is not sent`(
    _ backend: SystemBackend
  ) async throws {
    try await Stage.with(backend) { stage in
      let connection = try await stage.connect()
      let inbox = Inbox()
      _ = await connection.subscribe("big") { inbox.receive($0) }
      let most = try #require(await connection.serverInfo?.maxPayload)
      let payload = (0..<most).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      for _ in 0..<8 { try await connection.publish("big", payload) }
      try await connection.flush()
      #expect(inbox.messages.count == 8)
      #expect(inbox.messages.allSatisfy { $0.payload == payload })
      #expect(try await code { try await connection.publish("big", payload + [0]) } == .tooLarge)
      await connection.close()
    }
  }

  @Test func `Requests are answered, in any order`() async throws {
    try await Stage.with { stage in
      let (client, server) = (try await stage.connect(), try await stage.connect())
      _ = await server.subscribe("echo.*") { result in
        guard case .success(let message) = result, let reply = message.reply,
          let subject = try? NATSSubject(reply)
        else { return }
        Task { try await server.publish(subject, message.payload.reversed()) }
      }
      try await server.flush()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<200 {
          group.addTask {
            let payload = Array("\(number)!".utf8)
            let subject = try NATSSubject("echo.\(number)")
            let answer = try await client.request(subject, payload, within: .seconds(60))
            #expect(answer.payload == payload.reversed())
          }
        }
        try await group.waitForAll()
      }
      await client.close()
      await server.close()
    }
  }

  @Test func `A request that nothing answers fails at once`() async throws {
    try await Stage.with { stage in
      let connection = try await stage.connect()
      // An hour: the server says it at once, so nothing waits for that long.
      #expect(
        try await code { _ = try await connection.request("nobody", [], within: .seconds(3_600)) }
          == .noResponders)
      await connection.close()
    }
  }

  @Test func `A request without an answer fails in time, and when its task is canceled`()
    async throws
  {
    try await Stage.with { stage in
      let connection = try await stage.connect()
      let inbox = Inbox()
      _ = await connection.subscribe("silent") { inbox.receive($0) }
      try await connection.flush()
      #expect(
        try await code { _ = try await connection.request("silent", [], within: .milliseconds(20)) }
          == .timedOut)
      let task = Task { try await connection.request("silent", [], within: .seconds(3_600)) }
      try await eventually("it was sent") { inbox.messages.count == 2 }
      task.cancel()
      #expect(try await code { _ = try await task.value } == .canceled)
      let waiting = Task { try await connection.request("silent", [], within: .seconds(3_600)) }
      try await eventually("it was sent") { inbox.messages.count == 3 }
      await connection.close()
      #expect(try await code { _ = try await waiting.value } == .closed)
      #expect(try await code { try await connection.publish("x", []) } == .closed)
    }
  }

  // MARK: Credentials

  @Test func `Each kind of credentials is accepted, and wrong ones are refused at once`()
    async throws
  {
    let key = NKey.randomUser()
    let cases: [(String, NATSCredentials, NATSCredentials)] = [
      (
        "users: [{user: u, password: p}]", .password(user: "u", password: "p"),
        .password(user: "u", password: "q")
      ),
      ("token: secret", .token("secret"), .token("other")),
      ("users: [{nkey: \(key.publicKey)}]", .key(key), .key(.randomUser())),
    ]
    for (users, right, wrong) in cases {
      try await Stage.with(options: "authorization { \(users) }") { stage in
        let connection = try await stage.connect(right)
        try await connection.flush()
        await connection.close()
        for credentials in [wrong, .none] {
          #expect(try await code { _ = try await stage.connect(credentials) } == .notAuthorized)
        }
      }
    }
  }

  @Test func `What a user may not do fails at once`() async throws {
    let users =
      "authorization { users: [{user: u, password: p, permissions: {publish: [\"ok\"], subscribe: [\"ok\", \"_INBOX.>\"]}}] }"
    try await Stage.with(options: users) { stage in
      let connection = try await stage.connect(.password(user: "u", password: "p"))
      #expect(
        try await code { _ = try await connection.request("no", [], within: .seconds(3_600)) }
          == .notPermitted)
      let (refused, allowed) = (Inbox(), Inbox())
      _ = await connection.subscribe("no.>") { refused.receive($0) }
      _ = await connection.subscribe("ok") { allowed.receive($0) }
      try await eventually("it is refused") { refused.errors.map(\.code) == [.notPermitted] }
      try await connection.publish("ok", [1])
      try await eventually("the other one works") { allowed.messages.count == 1 }
      await connection.close()
    }
  }
}
