import TelpherClient
import TelpherSystem
import TelpherTestSupport
import Testing

/// What a command finds around it.
@Suite struct SurroundingsTests {
  @Test(arguments: SystemBackend.all, [true, false])
  func itsDescriptorsAreZeroOneAndTwo(_ backend: SystemBackend, _ hasInput: Bool) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      // Others come and go meanwhile, whose pipes must not be inherited.
      try await withThrowingTaskGroup { group in
        for _ in 0..<20 {
          group.addTask {
            let result = try await connection.run(
              Command("sh", "-c", "ls /proc/$$/fd; exit"), input: hasInput ? [] : nil)
            #expect(String(decoding: result.output, as: UTF8.self) == "0\n1\n2\n")
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test(arguments: SystemBackend.allCases)
  func itsEnvironmentIsTheConfiguredOne(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command("env")
      command.environment = ["ADDED": "a=b c", "GONE": nil]
      let output = try await connection.run(command).output
      let lines = String(decoding: output, as: UTF8.self).split(separator: "\n").sorted()
      // Where processes are found by a mark, the mark is in the environment.
      #expect(
        lines.filter { !$0.hasPrefix("TELPHER_JOB=") } == ["ADDED=a=b c", "PATH=/usr/bin:/bin"])
    }
  }

  @Test(arguments: SystemBackend.all)
  func theServersTokenIsInNoneOfItsCommands(_ backend: SystemBackend) async throws {
    let environment = ["HOME": "/tmp", "KEPT": "yes"]
    try await ServerProcess.with(backend, environment: environment) { server in
      let connection = try await server.connect()
      let result = try await connection.run(Command("env"))
      let names = String(decoding: result.output, as: UTF8.self).split(separator: "\n")
        .map { $0.prefix { $0 != "=" } }
      #expect(
        Set(names).subtracting(["HOME", "KEPT", "PATH", "TELPHER_JOB", "TSAN_OPTIONS"]) == [])
    }
  }

  @Test(
    arguments: SystemBackend.all,
    [
      ("echo a >/dev/stdout; echo b >/dev/stderr", "a\n", "b\n"),
      ("echo a >/proc/self/fd/1; echo b >/proc/self/fd/2", "a\n", "b\n"),
      ("cat /dev/stdin; cat /dev/stdin >/dev/stderr", "input", ""),
      ("exec 3<>/dev/stdout 4<>/dev/stderr; echo a >&3; echo b >&4", "a\n", "b\n"),
      ("printf %s a | tee /dev/stderr", "a", "a"),
    ])
  func itsPipesCanBeReopened(
    _ backend: SystemBackend, _ command: (line: String, output: String, error: String)
  ) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let result = try await connection.run(
        Command(shell: command.line), input: Array("input".utf8))
      #expect(result.result.status == .exited(0))
      #expect(String(decoding: result.output, as: UTF8.self) == command.output)
      #expect(String(decoding: result.error, as: UTF8.self) == command.error)
    }
  }
}
