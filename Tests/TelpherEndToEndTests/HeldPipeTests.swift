import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

/// Background processes that keep the output of their command open.
@Suite struct HeldPipeTests {
  /// Runs `body` and then ends the processes with `mark` in their arguments.
  private static func endingMarked(
    _ mark: String, _ body: () async throws -> Void
  ) async throws {
    let result: Result<Void, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    for pid in ProcessView.marked(mark) { kill(pid, SIGKILL) }
    try await eventually("the background processes have ended") { ProcessView.marked(mark).isEmpty }
    try result.get()
  }

  @Test(arguments: SystemBackend.allCases, [nil, 0, 50, 1_500])
  func theResultComesAfterTheDrain(_ backend: SystemBackend, _ drain: Int?) async throws {
    let mark = unusualDuration()
    try await Fixture.with(backend) { fixture in
      try await Self.endingMarked(mark) {
        let connection = try await fixture.connect()
        var command = Command(shell: "sleep \(mark) & echo x")
        command.drain = drain.map { .milliseconds($0) }
        let start = ContinuousClock.now
        let result = try await connection.run(command)
        #expect(start.duration(to: .now) >= .milliseconds(drain ?? 500))
        #expect(result.result.status == .exited(0))
        #expect(result.output == Array("x\n".utf8))
        #expect(result.result.details.pipeHeld == true)
        let isGroup = try await connection.serverHello().killScope == "cgroup"
        #expect(result.result.details.survivors == (isGroup ? true : nil))
        #expect(!ProcessView.marked(mark).isEmpty)
      }
    }
  }

  @Test(arguments: SystemBackend.all)
  func aPipeThatIsClosedWithinTheDrainIsNotReportedAsHeld(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      // The background process writes after the command has ended.
      var command = Command(shell: "(\(EndedCommand.wait(for: "$$")); echo y) & echo x")
      command.drain = .seconds(60)
      let result = try await connection.run(command)
      #expect(result.output == Array("x\ny\n".utf8))
      #expect(result.result.details.pipeHeld == nil)
    }
  }

  @Test(arguments: SystemBackend.all, [0, 100])
  func outputOfABackgroundProcessEndsWithTheDrain(_ backend: SystemBackend, _ drain: Int)
    async throws
  {
    let mark = "endless-\(unusualDuration())"
    try await Fixture.with(backend) { fixture in
      try await Self.endingMarked(mark) {
        let connection = try await fixture.connect()
        var command = Command(shell: "echo x >&2; yes \(mark) & exit 3")
        command.drain = .milliseconds(drain)
        let (count, result) = try await connection.run(command) { process in
          var count = 0
          for try await chunk in process.output { count += chunk.count }
          return count
        }
        #expect(result.status == .exited(3))
        #expect(result.details.pipeHeld == true)
        #expect(result.details.bytes?["1"] == UInt64(count))
        #expect(result.details.bytes?["2"] == 2)
      }
    }
  }

  /// The server reads and drops its output. The process can write four times the size of a pipe
  /// only if the pipe is read.
  @Test(arguments: SystemBackend.all)
  func aBackgroundProcessCanContinueToWrite(_ backend: SystemBackend) async throws {
    let file = "/tmp/telpher-held-\(UInt64.random(in: 0 ... .max))"
    defer {
      for name in [".go", ".done"] { unlink(file + name) }
    }
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let write = "head -c 262144 /dev/zero && head -c 262144 /dev/zero >&2 && : >\(file).done"
      var command = Command(
        shell: "(until [ -e \(file).go ]; do sleep 0.01; done; \(write)) & echo early")
      command.drain = .zero
      let result = try await connection.run(command)
      #expect(result.result.status == .exited(0))
      #expect(result.result.details.pipeHeld == true)
      #expect(result.output == Array("early\n".utf8))
      close(open("\(file).go", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
      try await eventually("the process in the background has written all") {
        access("\(file).done", F_OK) == 0
      }
    }
  }

  @Test(arguments: SystemBackend.all)
  func aSlowReaderReceivesAllOutputWrittenBeforeTheExit(_ backend: SystemBackend) async throws {
    let mark = unusualDuration()
    try await Fixture.with(backend) { fixture in
      try await Self.endingMarked(mark) {
        let connection = try await fixture.connect()
        let ended = EndedCommand("sleep \(mark) & \(ThrottledReaderTests.overfull)")
        var command = Command(shell: ended.line)
        command.drain = .milliseconds(20)
        let (output, result) = try await connection.run(command) { process in
          try await connection.outlastDrain(of: ended, .milliseconds(20))
          var output = ExpectedOutput(LocalShell.output(of: ThrottledReaderTests.overfull))
          for try await chunk in process.output { output.take(chunk) }
          return output
        }
        #expect(output.isComplete)
        #expect(result.status == .exited(0))
        #expect(result.details.pipeHeld == true)
      }
    }
  }
}
