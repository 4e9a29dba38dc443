import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

@Suite struct RunTests {
  @Test(arguments: SystemBackend.all)
  func outputAndExitCodeAreReturned(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let result = try await connection.run(
        Command("sh", "-c", "echo out; echo err >&2; exit 7"))
      #expect(result.result.status == .exited(7))
      #expect(result.output == Array("out\n".utf8))
      #expect(result.error == Array("err\n".utf8))
      #expect(result.result.details.bytes == ["1": 4, "2": 4])
      await connection.close()
    }
  }

  @Test(arguments: SystemBackend.all)
  func argumentsArriveVerbatim(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let result = try await connection.run(Command("printf", "%s\\n", "a b", "$HOME", ""))
      #expect(result.output == Array("a b\n$HOME\n\n".utf8))
    }
  }

  @Test(arguments: SystemBackend.all)
  func inputReachesTheCommandAndHalfCloses(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let input = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      let result = try await connection.run(Command("cat"), input: input)
      // Compare outside of the macro, which would compute the differences of megabytes.
      let isSame = result.output == input
      #expect(isSame, "\(result.output.count) bytes of \(input.count), \(result.result)")
      #expect(result.result.isSuccess)
    }
  }

  @Test(arguments: SystemBackend.all)
  func aGrandchildThatHoldsTheOutputDelaysTheResultOnlyForTheDrain(_ backend: SystemBackend)
    async throws
  {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let result = try await connection.run(Command(shell: "sleep 60 & echo x"))
      #expect(result.result.status == .exited(0))
      #expect(result.output == Array("x\n".utf8))
      #expect(result.result.details.pipeHeld == true)
      let isGroup = try await connection.serverHello().killScope == "cgroup"
      #expect(result.result.details.survivors == (isGroup ? true : nil))
    }
  }

  @Test(arguments: SystemBackend.all)
  func theDeadlineEndsTheTreeAndKeepsTheOutput(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command(
        shell: #"echo early; setsid sleep 987 & (trap "" TERM; sleep 987)"#)
      command.deadline = .milliseconds(200)
      command.deadlineMargin = .seconds(600)
      command.grace = .milliseconds(200)
      let result = try await connection.run(command)
      #expect(result.result.status == .timedOut)
      #expect(result.output == Array("early\n".utf8))
      #expect(result.result.details.survivors == nil)
    }
  }

  @Test(arguments: SystemBackend.all)
  func aCommandThatDoesNotExistIsNotStarted(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let result = try await connection.run(Command("no-such-program"))
      guard case .notStarted(let errno, let stage, _) = result.result.status else {
        Issue.record("it was started: \(result)")
        return
      }
      #expect(errno == 2)
      #expect(stage == "execute")
    }
  }

  @Test(arguments: SystemBackend.all)
  func aThousandCommandsAtOnceAllFinish(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      try await withThrowingTaskGroup { group in
        for number in 0..<1_000 {
          group.addTask {
            let result = try await connection.run(Command("sh", "-c", "echo \(number)"))
            #expect(result.output == Array("\(number)\n".utf8))
            #expect(result.result.isSuccess)
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test(arguments: SystemBackend.all)
  func tenMebibytesOnBothOutputsWithOneReaderDoNotDeadlock(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let command = Command(
        shell: "head -c 10485760 /dev/zero >&2 & head -c 10485760 /dev/zero; wait")
      let (counts, result) = try await connection.run(command) { process in
        var counts = [0, 0]
        for try await chunk in process.output { counts[0] += chunk.count }
        for try await chunk in process.error { counts[1] += chunk.count }
        return counts
      }
      #expect(counts == [10_485_760, 10_485_760])
      #expect(result.isSuccess)
    }
  }

  @Test(arguments: SystemBackend.all)
  func anOutputThatIsReadInPartIsStopped(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let (count, result) = try await connection.run(Command("yes")) { process in
        for try await chunk in process.output { return chunk.count }
        return 0
      }
      #expect(count > 0)
      #expect(result.status == .signaled(SIGPIPE))
    }
  }

  @Test(arguments: SystemBackend.all)
  func anOutputThatIsNeverReadIsDropped(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let (_, result) = try await connection.run(
        Command(shell: "head -c 4000000 /dev/zero; head -c 4000000 /dev/zero >&2; exit 5")
      ) { _ in }
      #expect(result.status == .exited(5))
      #expect(result.details.bytes == ["1": 4_000_000, "2": 4_000_000])
    }
  }

  @Test(arguments: SystemBackend.all)
  func infoDescribesTheServer(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let info = try await connection.info()
      #expect(info.connections == 1)
      #expect(info.limits["max_streams"] == 1_024)
      #expect(try await connection.ping() > .zero)
    }
  }
}
