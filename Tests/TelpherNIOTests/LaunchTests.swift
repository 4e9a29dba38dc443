import Glibc
import TelpherProcess
import TelpherTransport
import Testing

@testable import TelpherNIO

/// Tests of features that swift-subprocess lacks (see `SubprocessLauncher`).
@Suite(.timeLimit(.minutes(5))) struct LaunchTests {
  private static let environment = ["PATH": "/usr/bin:/bin"]

  private static func shell(_ line: String) -> SpawnRequest {
    SpawnRequest(arguments: ["sh", "-c", line], environment: environment)
  }

  @Test func limitsAreSetBeforeTheProgramRuns() async throws {
    try await withLoop { loop in
      var request = Self.shell("ulimit -n; ulimit -Hn; ulimit -c; ulimit -t; echo $0 $#")
      request.limits = [
        ResourceLimit(.openFiles, 77), ResourceLimit(.coreBytes, 0), ResourceLimit(.cpuSeconds, 60),
      ]
      let collected = try await loop.collect(request).get()
      #expect(collected.output == "77\n77\n0\n60\nsh 0\n")
      #expect(collected.exit.status == .exited(code: 0))
    }
  }

  @Test func aLimitThatCannotBeSetIsReported() async throws {
    try await withLoop { loop in
      var request = Self.shell("echo never")
      // More descriptors than the kernel allows for any process.
      request.limits = [ResourceLimit(.openFiles, UInt64(Int64.max))]
      let error = await #expect(throws: SpawnError.self) { try await loop.collect(request).get() }
      #expect(error?.stage == .limit)
      #expect(error?.errno == EPERM)
    }
  }

  @Test(arguments: [
    ("/no/such", ENOENT), ("no-such-program", ENOENT), ("/etc/passwd", EACCES), ("/", EACCES),
    ("/etc/passwd/x", ENOTDIR), ("", ENOENT),
  ])
  func theReasonWhyAProgramDoesNotRunIsReported(_ program: String, _ number: Int32) async throws {
    try await withLoop { loop in
      for limits in [[], [ResourceLimit(.coreBytes, 0)]] {
        let request = SpawnRequest(
          arguments: [program], environment: Self.environment, limits: limits)
        let error = await #expect(throws: SpawnError.self) { try await loop.collect(request).get() }
        #expect(error?.stage == .execute)
        #expect(error?.errno == number)
      }
    }
  }

  @Test(arguments: [("/no/such", ENOENT), ("/etc/passwd", ENOTDIR)])
  func theReasonWhyADirectoryIsRefusedIsReported(_ directory: String, _ number: Int32) async throws
  {
    try await withLoop { loop in
      var request = Self.shell("pwd")
      request.directory = SystemString(directory)
      let error = await #expect(throws: SpawnError.self) { try await loop.collect(request).get() }
      #expect(error?.stage == .directory)
      #expect(error?.errno == number)
    }
  }

  @Test func aRelativeProgramIsFoundInTheWorkingDirectory() async throws {
    try await withLoop { loop in
      let request = SpawnRequest(
        arguments: ["./sh", "-c", "echo $0; pwd"], environment: Self.environment, directory: "/bin")
      let collected = try await loop.collect(request).get()
      #expect(collected.output.hasPrefix("./sh\n"))
    }
  }

  @Test func theResourceUsageOfAChildIsReported() async throws {
    try await withLoop { loop in
      let request = Self.shell("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done")
      let usage = try await loop.collect(request).get().exit.usage
      #expect(usage.userMicroseconds + usage.systemMicroseconds > 0)
      #expect(usage.minorFaults > 0)
    }
  }

  /// swift-subprocess refuses variables whose names begin with a digit.
  @Test func aRefusedVariableIsReported() async throws {
    try await withLoop { loop in
      var request = Self.shell("true")
      request.environment["1ST"] = "x"
      let error = await #expect(throws: SpawnError.self) { try await loop.collect(request).get() }
      #expect(error?.stage == .execute)
      #expect(error?.errno == EINVAL)
    }
  }

  @Test func aCommandNeverRunsWithoutAPlaceInTheGuard() async throws {
    let launcher = try SubprocessLauncher(endsWithProcess: true)
    let loop = NIOLoop(launcher: launcher)
    let commandGuard = try #require(launcher.commandGuard)
    let slots = (0..<UInt64(CommandGuard.limit)).compactMap {
      // Tags that no process has.
      commandGuard.book(.max - $0, group: nil)
    }
    #expect(slots.count == CommandGuard.limit)
    let path = "/tmp/telpher-unguarded-\(UInt64.random(in: 0 ... .max))"
    let error = await #expect(throws: SpawnError.self) {
      try await loop.collect(Self.shell(": > \(path)")).get()
    }
    #expect(error?.errno == EAGAIN && error?.stage == .resources)
    #expect(access(path, F_OK) != 0)
    // With one place the next command runs, and gives the place back at its end.
    commandGuard.free(try #require(slots.first))
    for _ in 0..<2 {
      #expect(try await loop.collect(Self.shell("exit 3")).get().exit.status == .exited(code: 3))
    }
    // A command that cannot be started gives its place back too.
    _ = await loop.collect(SpawnRequest(arguments: ["/no/such"], environment: [:]))
    #expect(try await loop.collect(Self.shell("exit 4")).get().exit.status == .exited(code: 4))
    await loop.shutDown()
    launcher.shutDown()
  }
}
