import Glibc
import TelpherClient
import TelpherProcess
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// When a command is ended, all its processes are ended.
@Suite struct NoSurvivorTests {
  static let scopes = SystemBackend.allCases
  /// The number of sleeping processes in `tree`.
  private static let sleepers = 4

  /// A shell line that starts four sleeping processes: one in its own session, one orphaned in its
  /// own session, one that ignores SIGTERM, and one in the shell's process group.
  private static func tree(_ mark: String) -> String {
    """
    echo early; setsid sleep \(mark) & setsid sh -c 'sleep \(mark) & exit' & sleep \(mark) &
    (trap "" TERM; sleep \(mark))
    """
  }

  /// The number of sleeping processes of the tree, without the shells, which have the mark too.
  private static func sleeping(_ mark: String) -> Int {
    ProcessView.marked(mark).count { text("/proc/\($0)/cmdline").hasPrefix("sleep\0") }
  }

  @Test(arguments: scopes)
  func allProcessesEndWhenTheClientIsKilled(_ backend: SystemBackend) async throws {
    let mark = unusualDuration()
    try await Fixture.with(backend) { fixture in
      let client = try LocalProgram([
        backend.program, "run", "--on", "\(fixture.address)", "--shell", "--",
        Self.tree(mark),
      ])
      #expect(try await client.line() == "early")
      try await eventually("all processes of the tree run") { Self.sleeping(mark) == Self.sleepers }
      client.signal(SIGKILL)
      let killed = ContinuousClock.now
      try await eventually("no process is left") { Self.sleeping(mark) == 0 }
      print("no process of a killed client is left after \(killed.duration(to: .now))")
      let connection = try await fixture.connect()
      try await eventually("the server runs no commands") {
        try await connection.info().running == 0
      }
    }
  }

  @Test(arguments: scopes)
  func allProcessesEndAtTheDeadlineAndTheOutputIsKept(_ backend: SystemBackend) async throws {
    let mark = unusualDuration()
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command(shell: Self.tree(mark))
      command.deadline = .milliseconds(400)
      command.deadlineMargin = .seconds(600)
      command.grace = .milliseconds(100)
      let result = try await connection.run(command)
      #expect(Self.sleeping(mark) == 0)
      #expect(result.result.status == .timedOut)
      #expect(result.output == Array("early\n".utf8))
      #expect(result.result.details.survivors == nil)
      #expect(result.result.details.pipeHeld == nil)
    }
  }

  @Test(arguments: scopes)
  func allProcessesEndWhenCanceledAndTheOutputIsKept(_ backend: SystemBackend) async throws {
    let mark = unusualDuration()
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command(shell: Self.tree(mark))
      command.grace = .milliseconds(100)
      let (output, result) = try await connection.run(command) { process in
        try await eventually("all processes of the tree run") {
          Self.sleeping(mark) == Self.sleepers
        }
        await process.cancel()
        var output: [UInt8] = []
        for try await chunk in process.output { output.append(contentsOf: chunk) }
        return output
      }
      #expect(Self.sleeping(mark) == 0)
      #expect(result.status == .canceled)
      #expect(output == Array("early\n".utf8))
      #expect(result.details.survivors == nil)
    }
  }

  /// Checks that a cancel also ends a process that has left its parent, session and environment.
  private static func cancelEnds(_ way: String, on connection: Connection, _ mark: String)
    async throws
  {
    var command = Command(shell: "\(way); exec sleep \(mark)")
    command.grace = .milliseconds(50)
    let (processes, result) = try await connection.run(command) { process in
      try await eventually("both processes sleep") { Self.sleeping(mark) == 2 }
      let processes = ProcessIdentities(marked: mark)
      await process.cancel()
      for try await _ in process.output {}
      return processes
    }
    #expect(result.status == .canceled)
    #expect(result.details.survivors == nil)
    #expect(processes.count == 0)
    #expect(ProcessView.marked(mark).isEmpty)
  }

  static let waysOut = [
    "env -i setsid -f sleep MARK", "env -i setsid -f setsid -f sleep MARK",
    "(env -i setsid sleep MARK </dev/null >/dev/null 2>&1 &)",
  ]

  /// Not with swift-subprocess and uv_spawn: they start a child before it has its tag.
  @Test(arguments: scopes.filter { $0 != .nio && $0 != .uvSpawn }, waysOut)
  func aDetachedProcessIsEnded(
    _ backend: SystemBackend, _ way: String
  ) async throws {
    let mark = unusualDuration()
    try await Fixture.with(backend) { fixture in
      try await Self.cancelEnds(
        way.split(separator: "MARK", omittingEmptySubsequences: false).joined(separator: mark),
        on: try await fixture.connect(), mark)
    }
  }

  @Test(.enabled(if: OtherUser.isPossible), arguments: [SystemBackend.uv], waysOut)
  func aDetachedProcessIsEndedWithoutControlGroups(
    _ backend: SystemBackend, _ way: String
  ) async throws {
    let mark = unusualDuration()
    try await ServerProcess.with(
      backend, wrapper: OtherUser.wrapper(), program: try OtherUser.program(of: backend)
    ) { server in
      try await Self.cancelEnds(
        way.split(separator: "MARK", omittingEmptySubsequences: false).joined(separator: mark),
        on: try await server.connect(), mark)
    }
  }

  /// The process needs the right to write to a parent group, which commands of a root server have.
  @Test func aProcessThatLeavesTheControlGroupIsEnded() async throws {
    let mark = unusualDuration()
    try await Fixture.with(.uv) { fixture in
      let connection = try await fixture.connect()
      guard try await connection.serverHello().killScope == "cgroup" else { return }
      let leave = """
        group=$(sed -n 's,^0::,,p' /proc/self/cgroup); root=/sys/fs/cgroup
        [ -d "$root$group" ] || root=$root/unified
        echo $$ >"$root${group%/*/*}/cgroup.procs"
        """
      try await Self.cancelEnds(
        "(\(leave); exec setsid -f sleep \(mark)) & wait; \(leave)", on: connection, mark)
    }
  }

  @Test(arguments: scopes)
  func allProcessesEndWhenTheServerStops(_ backend: SystemBackend) async throws {
    let mark = unusualDuration()
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let running = Task { try await connection.run(Command(shell: Self.tree(mark))) }
      try await eventually("all processes of the tree run") { Self.sleeping(mark) == Self.sleepers }
      await fixture.server.stop()
      #expect(Self.sleeping(mark) == 0)
      await #expect(throws: ClientError.self) { _ = try await running.value }
    }
  }

  /// Newer kernels start no processes below a control group that was killed and still exists.
  @Test func aServerInAKilledControlGroupStartsCommands() async throws {
    let line = """
      group=/sys/fs/cgroup$1; [ -d "$group" ] || group=/sys/fs/cgroup/unified$1; shift
      { echo 1 >"$group/cgroup.kill" && echo $$ >"$group/cgroup.procs"; } 2>/dev/null; exec "$@"
      """
    let launcher = try Launcher()
    guard launcher.killScope == .cgroup else { return }
    // Make an empty group.
    let other = try launcher.launch(
      SpawnRequest(
        arguments: ["cat", "/proc/self/cgroup"], environment: ["PATH": "/bin:/usr/bin"]))
    defer {
      for descriptor in [other.pidDescriptor, other.output, other.error] {
        if let descriptor { close(descriptor) }
      }
      other.release()
      launcher.shutDown()
    }
    try await eventually("the group is empty") { other.reap() != nil }
    let groups = [UInt8](unsafeUninitializedCapacity: 4_096) { buffer, count in
      count = max(0, read(other.output ?? -1, buffer.baseAddress, buffer.count))
    }
    let group = String(decoding: groups, as: UTF8.self).split(separator: "\n")
      .first { $0.hasPrefix("0::") }?.dropFirst(3)
    try await ServerProcess.with(.uv, wrapper: ["sh", "-c", line, "sh", String(group ?? "")]) {
      server in
      let connection = try await server.connect()
      #expect(try await connection.serverHello().killScope == "cgroup")
      for _ in 0..<3 {
        let result = try await connection.run(Command("echo", "x"))
        #expect(result.result.status == .exited(0))
      }
    }
  }
}
