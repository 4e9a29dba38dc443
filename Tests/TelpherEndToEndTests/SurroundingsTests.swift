import Glibc
import TelpherClient
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// The descriptors, environment and arguments of a command.
@Suite struct SurroundingsTests {
  @Test(arguments: SystemBackend.all, [true, false])
  func aCommandHasOnlyDescriptorsZeroOneAndTwo(_ backend: SystemBackend, _ hasInput: Bool)
    async throws
  {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      // Other commands start and end in the meantime; their pipes must not be inherited.
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
  func aCommandHasTheConfiguredEnvironment(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command("env")
      command.environment = ["ADDED": "a=b c", "GONE": nil]
      let output = try await connection.run(command).output
      let lines = String(decoding: output, as: UTF8.self).split(separator: "\n").sorted()
      // The server may add its mark, by which it finds the command's processes.
      #expect(
        lines.filter { !$0.hasPrefix("TELPHER_JOB=") } == ["ADDED=a=b c", "PATH=/usr/bin:/bin"])
    }
  }

  @Test(arguments: SystemBackend.all)
  func argumentsFolderAndVariablesMayBeAnyBytes(_ backend: SystemBackend) async throws {
    let folder = ByteText(
      Array("/tmp/telpher-test-\(UInt64.random(in: 0 ... .max))-".utf8) + [0xFE])
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command(arguments: ["mkdir", folder])
      #expect(try await connection.run(command).result.isSuccess)
      command = Command(arguments: ["sh", "-c", "pwd; echo \"$PWD $1 $A\"", "sh", ByteText([0xFF])])
      command.directory = folder
      command.environment = ["A": ByteText([0xC3])]
      let line = Array("\n".utf8)
      #expect(
        try await connection.run(command).output
          == folder.bytes + line + folder.bytes + [0x20, 0xFF, 0x20, 0xC3] + line)
      #expect(
        try await connection.run(Command(shell: ByteText(Array("echo ".utf8) + [0xFF]))).output
          == [0xFF] + line)
      #expect(try await connection.run(Command(arguments: ["rmdir", folder])).result.isSuccess)
    }
  }

  /// Linux accepts 2 MiB for both together by default, and 128 KiB in one string.
  @Test(arguments: SystemBackend.all)
  func argumentsAndVariablesMayHaveTheKernelsMaximumSize(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let long = ByteText([UInt8](repeating: 1, count: 120_000))
      var command = Command(
        arguments: ["sh", "-c", "echo $# ${#A}"] + Array(repeating: long, count: 12))
      command.environment = ["A": ByteText(String(repeating: "x", count: 120_000))]
      #expect(try await connection.run(command).output == Array("11 120000\n".utf8))
      command = Command(
        arguments: ["sh", "-c", "echo $#"] + (0..<100_000).map { ByteText("\($0)") })
      #expect(try await connection.run(command).output == Array("99999\n".utf8))
      // Past the limit, the kernel returns E2BIG.
      command = Command(arguments: ["echo"] + Array(repeating: long, count: 30))
      guard
        case .notStarted(let number, "execute", _) = try await connection.run(command).result
          .status
      else {
        Issue.record("the command started although its arguments exceed the kernel's limit")
        return
      }
      #expect(number == E2BIG)
    }
  }

  @Test(arguments: SystemBackend.all)
  func aCommandCanStartWithAnEmptyEnvironment(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend, configure: { $0.environment["SERVERS"] = "yes" }) { fixture in
      let connection = try await fixture.connect()
      var command = Command("/usr/bin/env")
      command.inheritsServerEnvironment = false
      command.environment = ["A": "1"]
      let output = try await connection.run(command).output
      let lines = String(decoding: output, as: UTF8.self).split(separator: "\n")
      #expect(lines.filter { !$0.hasPrefix("TELPHER_JOB=") } == ["A=1"])
    }
  }

  /// The names are bytes. Swift takes the two of each pair for equal.
  @Test(arguments: SystemBackend.all)
  func variablesWhoseNamesLookTheSameAreDifferent(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command("env")
      command.inheritsServerEnvironment = false
      command.environment = ["\u{E9}": "1", "e\u{301}": "2", "K": "3", "\u{212A}": "4"]
      let output = try await connection.run(command).output
      let lines = Set(output.split(separator: UInt8(ascii: "\n")).map { ByteText(Array($0)) })
      for line in ["\u{E9}=1", "e\u{301}=2", "K=3", "\u{212A}=4"] {
        #expect(lines.contains(ByteText(line)))
      }
    }
  }

  /// PWD is the working directory, or is removed (environ(7)).
  @Test(arguments: SystemBackend.all)
  func pwdIsTheFolderOfTheCommand(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend, configure: { $0.environment["PWD"] = "/stale" }) { fixture in
      let connection = try await fixture.connect()
      var command = Command("env")
      func pwd(_ directory: ByteText?, _ variables: [ExactText: ByteText?] = [:]) async throws
        -> [Substring]
      {
        command.directory = directory
        command.environment = variables
        let output = try await connection.run(command).output
        return String(decoding: output, as: UTF8.self).split(separator: "\n")
          .filter { $0.hasPrefix("PWD=") }
      }
      #expect(try await pwd("/usr") == ["PWD=/usr"])
      #expect(try await pwd(".") == [])
      #expect(try await pwd("/usr", ["PWD": "/own"]) == ["PWD=/own"])
    }
  }

  @Test(arguments: SystemBackend.all)
  func noCommandHasTheServersTokenInItsEnvironment(_ backend: SystemBackend) async throws {
    let environment = ["HOME": "/tmp", "KEPT": "yes"]
    try await ServerProcess.with(backend, environment: environment) { server in
      let connection = try await server.connect()
      let result = try await connection.run(Command("env"))
      let names = String(decoding: result.output, as: UTF8.self).split(separator: "\n")
        .map { $0.prefix { $0 != "=" } }
      #expect(
        Set(names).subtracting([
          "HOME", "KEPT", "PATH", "TELPHER_JOB", "TELPHER_KEEP", "TSAN_OPTIONS",
        ]) == [])
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
  func theStandardStreamsCanBeReopened(
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
