import Glibc
import TelpherClient
import TelpherServer
import TelpherSystem
import TelpherTestSupport
import TelpherTransport
import Testing

/// A command's end is the end of all that came from it.
@Suite struct NoSurvivorTests {
  static let scopes = SystemBackend.allCases
  /// Processes of `tree` that sleep.
  private static let sleepers = 4

  /// One in a session of its own, one orphaned there, one that ignores SIGTERM, and one in the
  /// shell's group.
  private static func tree(_ mark: String) -> String {
    """
    echo early; setsid sleep \(mark) & setsid sh -c 'sleep \(mark) & exit' & sleep \(mark) &
    (trap "" TERM; sleep \(mark))
    """
  }

  /// How many processes of the tree sleep; the shells around them have the mark as well.
  private static func sleeping(_ mark: String) -> Int {
    ProcessView.marked(mark).count { text("/proc/\($0)/cmdline").hasPrefix("sleep\0") }
  }

  @Test(arguments: scopes)
  func aKilledClientLeavesNobody(_ backend: SystemBackend) async throws {
    let mark = unusualDuration()
    try await Fixture.with(backend) { fixture in
      let client = try LocalProgram([
        backend.program, "run", "--on", "\(fixture.address)", "--shell", "--",
        Self.tree(mark),
      ])
      #expect(try await client.line() == "early")
      try await eventually("the tree has grown") { Self.sleeping(mark) == Self.sleepers }
      client.signal(SIGKILL)
      let killed = ContinuousClock.now
      try await eventually("nobody is left") { Self.sleeping(mark) == 0 }
      print("nobody is left of a killed client after \(killed.duration(to: .now))")
      let connection = try await fixture.connect()
      try await eventually("the server knows") { try await connection.info().running == 0 }
    }
  }

  @Test(arguments: scopes)
  func theDeadlineLeavesNobodyAndKeepsTheOutput(_ backend: SystemBackend) async throws {
    let mark = unusualDuration()
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command(shell: Self.tree(mark))
      command.deadline = .milliseconds(400)
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
  func cancelLeavesNobodyAndKeepsTheOutput(_ backend: SystemBackend) async throws {
    let mark = unusualDuration()
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command(shell: Self.tree(mark))
      command.grace = .milliseconds(100)
      let (output, result) = try await connection.run(command) { process in
        try await eventually("the tree has grown") { Self.sleeping(mark) == Self.sleepers }
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

  /// Cancels a command that has left something behind by `way`, once both sleep.
  private static func cancelEnds(_ way: String, on connection: Connection, _ mark: String)
    async throws
  {
    var command = Command(shell: "\(way); exec sleep \(mark)")
    command.grace = .milliseconds(50)
    let (processes, result) = try await connection.run(command) { process in
      try await eventually("both sleep") { Self.sleeping(mark) == 2 }
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

  /// swift-subprocess and uv_spawn give a child its tag some time after its start.
  @Test(arguments: [SystemBackend.uv, .uvWalks], waysOut)
  func whoLeavesEverythingBehindIsEnded(
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
  func whoLeavesEverythingBehindIsEndedWithoutControlGroups(
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

  /// It needs the right to write to a group above its own, which a root server's commands have.
  @Test func whoLeavesTheControlGroupIsEnded() async throws {
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
  func theServersStopLeavesNobody(_ backend: SystemBackend) async throws {
    let mark = unusualDuration()
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let running = Task { try await connection.run(Command(shell: Self.tree(mark))) }
      try await eventually("the tree has grown") { Self.sleeping(mark) == Self.sleepers }
      await fixture.server.stop()
      #expect(Self.sleeping(mark) == 0)
      await #expect(throws: ClientError.self) { _ = try await running.value }
    }
  }

  /// A control group that was killed and lives on is one that newer kernels start nothing below.
  @Test func aServerInAGroupThatWasKilledStartsCommands() async throws {
    let line = """
      group=/sys/fs/cgroup$1; [ -d "$group" ] || group=/sys/fs/cgroup/unified$1; shift
      { echo 1 >"$group/cgroup.kill" && echo $$ >"$group/cgroup.procs"; } 2>/dev/null; exec "$@"
      """
    let launcher = try Launcher()
    guard launcher.killScope == .cgroup else { return }
    // A group that nobody is in.
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
