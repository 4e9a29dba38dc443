import Glibc
import TelpherClient
import TelpherRelay
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// What a server does for clients that use a relay. With TELPHER_TEST_RELAY in the environment, the
/// other suites run through a relay too.
@Suite struct RelayedTests {
  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test(arguments: SystemBackend.all)
  func aJobThatIsToBeKeptContinuesWithoutItsClientAndAnotherCommandEnds(_ backend: SystemBackend)
    async throws
  {
    try await Fixture.with(backend, relayed: true) { fixture in
      let job = String(repeating: "0a", count: 16)
      let request =
        #"{"op":"run","shell":"echo first; read line; echo $line","on_disconnect":"keep","job":"\#(job)"}"#
      let first = try await RawPeer.connect(to: fixture.address, on: fixture.clientLoop)
      await first.send(
        hello(), open(1, request, noInput: false),
        open(3, #"{"op":"run","shell":"echo $$; exec sleep 600"}"#))
      try await first.until("both have written") { peer in
        !peer.output(1).isEmpty && !peer.output(3).isEmpty
      }
      let pid = try #require(await Int32(text(first.output(3)).dropLast()))
      await first.close()
      try await eventually("the other command ends") { kill(pid, 0) != 0 }

      let second = try await RawPeer.connect(to: fixture.address, on: fixture.clientLoop)
      await second.send(hello(), open(1, request, noInput: false))
      #expect(try await second.frame(5, 1).text.contains(#""attached":true"#))
      await second.send(data(1, 0, Array("second\n".utf8), fin: true))
      #expect(try await second.result(1).contains(#""exited""#))
      #expect(await text(second.output(1)) == "second\n")
      await second.close()
    }
  }

  @Test(arguments: SystemBackend.all)
  func manyClientsRunCommandsAtOnce(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend, relayed: true) { fixture in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<40 {
          group.addTask {
            let connection = try await fixture.connect()
            let input = [UInt8](repeating: UInt8(number), count: 100_000)
            let result = try await connection.run(
              Command(shell: "cat; exit \(number)"), input: input)
            await connection.close()
            return result.output == input && result.result.status == .exited(Int32(number))
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
    }
  }

  /// It may be stopped (SIGSTOP) while its relay connects.
  @Test(arguments: SystemBackend.all)
  func theClientThatHasStartedTheRelayMaySendItsHelloLate(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend, relayed: false) { fixture in
      let relayLoop = try backend.makeLoop()
      let path = "/tmp/telpher-relay-\(UInt64.random(in: 0 ... .max)).sock"
      var ends: [Int32] = [-1, -1]
      #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
      let server = try await Connection.connect(
        to: .socket(fixture.address), on: relayLoop, timeout: .seconds(600))
      var configuration = RelayConfiguration(
        address: "test", version: "test", owner: geteuid(), keep: 3_600_000_000_000)
      configuration.helloTimeout = 1_000_000
      let relay = try await RelayServer.start(
        over: server, at: [.unix(path: path)],
        client: .init(reading: ends[1], writing: ends[1]), configuration)
      // One that comes later has the limit. The limit of the first would be over then.
      let other = try await RawPeer.connect(to: .unix(path: path), on: fixture.clientLoop)
      try await other.end()
      let first = try await RawPeer.adopt(ends[0], on: fixture.clientLoop)
      await first.send(hello(), openRun(1))
      #expect(try await first.result(1).contains(#""code":0"#))
      await first.close()
      await relay.stop("the test is over")
      await Task.detached { await relayLoop.shutDown() }.value
      withExtendedLifetime(relay) {}
    }
  }

  @Test(arguments: SystemBackend.all)
  func aServerThatStopsEndsItsClientsCommandsAsLost(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend, relayed: true) { fixture in
      let connection = try await fixture.connect()
      let error = await #expect(throws: ClientError.self) {
        try await connection.run(Command(shell: "echo x; exec sleep 600")) { command in
          let iterator = command.output.makeAsyncIterator()
          _ = try await iterator.next()
          await fixture.server.stop()
          _ = try await command.result()
        }
      }
      #expect(error?.code == .lost)
    }
  }
}
