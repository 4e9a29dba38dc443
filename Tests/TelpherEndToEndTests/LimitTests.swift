import Glibc
import TelpherClient
import TelpherProcess
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

/// Whether this process may make control groups with all controllers.
private let canLimitTrees = {
  let groups = ResourceGroups()
  defer { groups.shutDown() }
  return groups.kinds == [.treeMemoryBytes, .treeProcesses, .treeCPUMilli]
}()

/// Commands that reach their limits, on each way to start them.
struct LimitTests {
  @Test(arguments: SystemBackend.allCases)
  func aCommandThatUsesUpItsProcessorTimeIsEnded(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command(shell: "while :; do :; done")
      command.limits = [ResourceLimit(.cpuSeconds, 1)]
      let result = try await connection.run(command).result
      #expect(result.status == .signaled(SIGXCPU))
      #expect(result.cause == .cpuTime)
      #expect(result.details.message == "killed: its processor time is used up (limit 1 s)")
    }
  }

  @Test(arguments: SystemBackend.allCases)
  func theProcessorTimeOfACommandThatIgnoresTheSignalEndsToo(
    _ backend: SystemBackend
  ) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command(shell: "trap '' XCPU; while :; do :; done")
      command.limits = [ResourceLimit(.cpuSeconds, 1)]
      let result = try await connection.run(command).result
      #expect(result.status == .signaled(SIGKILL))
      #expect(result.cause == .cpuTime)
    }
  }

  @Test(arguments: SystemBackend.allCases)
  func aCommandThatWritesALargeFileIsEnded(_ backend: SystemBackend) async throws {
    let file = "/tmp/telpher-test-\(UInt64.random(in: 0 ... .max))"
    defer { unlink(file) }
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command(shell: "exec head -c 200000 /dev/zero >\(file)")
      command.limits = [ResourceLimit(.fileBytes, 100_000), ResourceLimit(.nice, 3)]
      let result = try await connection.run(command).result
      #expect(result.status == .signaled(SIGXFSZ))
      #expect(result.cause == .fileSize)
      var status = stat()
      #expect(stat(file, &status) == 0 && status.st_size == 100_000)
    }
  }

  @Test func aRefusalNamesTheLimitsThatAnOrdinaryUserCanUse() async throws {
    guard OtherUser.isPossible else { return }
    try await ServerProcess.with(
      .uv, wrapper: OtherUser.wrapper(), program: try OtherUser.program(of: .uv)
    ) { server in
      let connection = try await server.connect()
      let names = try #require(try await connection.info().enforceableLimits)
      #expect(names.contains("cpu_s") && names.contains("nice"))
      var command = Command(shell: "while :; do :; done")
      command.limits = [ResourceLimit(.cpuSeconds, 1)]
      #expect(try await connection.run(command).result.cause == .cpuTime)
      guard !names.contains("tree_memory_bytes") else { return }
      command.limits = [ResourceLimit(.treeMemoryBytes, 1 << 30)]
      let refused = await #expect(throws: ClientError.self) { try await connection.run(command) }
      #expect(refused?.code == .refused)
      #expect(refused?.message.contains("can't enforce the limit 'memory'") == true)
    }
  }

  @Test(.enabled(if: OtherUser.isPossible))
  func aServerDoesNotStartWithALimitThatItCanNotEnforce() async throws {
    let program = try LocalProgram(
      OtherUser.wrapper() + [
        try OtherUser.program(of: .uv), "serve", "--listen", "stdio", "--limit", "pids=10",
      ])
    #expect(try await program.end().exit == .exited(code: 125))
  }

  @Test(arguments: SystemBackend.all)
  func theListOfCommandsShowsWhatATreeUses(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let other = try await fixture.connect()
      let command = Command(shell: "setsid sleep 600 & sleep 600 & echo ready; wait")
      let (info, result) = try await connection.run(command) { handle in
        for try await _ in handle.output { break }
        // `setsid` may not have executed its program yet, but it is there.
        var info = try #require(try await other.runningCommands().first)
        // A listing may be 2 ms old, from before the processes were there.
        for _ in 0..<1_000 where info.processes < 3 {
          info = try #require(try await other.runningCommands().first)
        }
        try await other.kill(info.id)
        return info
      }
      #expect(info.processes == 3)
      #expect(info.memory > 0)
      #expect(info.arguments.map(\.bytes).last == command.lineBytes)
      #expect(result.status == .canceled)
      #expect(result.cause == .canceled)
      #expect(try await other.runningCommands().isEmpty)
      await #expect(throws: ClientError.self) { try await other.kill(info.id) }
    }
  }
}

/// Commands that reach limits of control groups: with the controllers of this machine.
@Suite(.enabled(if: canLimitTrees, "no control groups with controllers for us"))
struct TreeLimitTests {
  @Test(arguments: SystemBackend.allCases)
  func aTreeBeyondItsMemoryIsKilledAndTheCauseIsKnown(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      // `tail` keeps its input in memory until it has found the last line, which never ends.
      var command = Command(shell: "exec tail -n 1 </dev/zero")
      command.limits = [ResourceLimit(.treeMemoryBytes, 32 << 20)]
      let result = try await connection.run(command).result
      #expect(result.status == .signaled(SIGKILL))
      #expect(result.cause == .outOfMemory)
      #expect(result.group?.memoryLimit == 32 << 20)
      #expect(result.group?.outOfMemoryKills == 1)
      let message = try #require(result.details.message)
      #expect(message.hasPrefix("killed: out of memory (limit 32 MiB"))
    }
  }

  @Test(arguments: SystemBackend.allCases)
  func twoProcessesShareTheMemoryOfTheirCommand(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      // Each `tail` keeps 24 MiB, because nothing reads what it writes. When the kernel has killed
      // one, the group of processes ends.
      let hold = """
        { head -c 25165824 /dev/zero | tail -n 1; kill 0; } 2>/dev/null | sleep 600 >/dev/null 2>&1 &
        """
      var command = Command(shell: "\(hold)\n\(hold)\nwait; wait")
      command.limits = [ResourceLimit(.treeMemoryBytes, 36 << 20)]
      let result = try await connection.run(command).result
      #expect(result.status == .signaled(SIGTERM))
      #expect(result.cause == .outOfMemory)
      #expect(result.details.message?.contains("of its processes") == true)
    }
  }

  @Test(arguments: SystemBackend.allCases)
  func aForkBombIsBoundedAndEnds(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      // Each shell starts two more, until the limit refuses.
      var command = Command(
        shell: """
          bomb() { (bomb) >/dev/null 2>&1 & (bomb) >/dev/null 2>&1 & wait; sleep 600; }
          bomb
          """)
      command.limits = [ResourceLimit(.treeProcesses, 20)]
      command.deadline = .milliseconds(500)
      command.deadlineMargin = .seconds(600)
      command.grace = .zero
      let result = try await connection.run(command).result
      #expect(result.status == .timedOut || result.cause == .processLimit)
      #expect(result.group?.processLimit == 20)
      #expect(try #require(result.group?.processLimitHits) > 0)
      #expect(!result.hasSurvivors)
    }
  }
}

extension Command {
  /// The bytes of the line of a command for /bin/sh.
  fileprivate var lineBytes: [UInt8] {
    if case .shell(let line) = program { line.bytes } else { [] }
  }
}
