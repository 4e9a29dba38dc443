import Glibc
import TelpherTestSupport
import Testing

/// Behaviour that needs real processes and pipes.
@Suite(.timeLimit(.minutes(15))) struct ProcessTests {
  @Test(arguments: SystemBackend.all)
  func aSlowReaderIsNotReportedAsAHeldPipe(_ backend: SystemBackend) async throws {
    try await Fixture.withProcesses(backend) { fixture in
      let client = try await fixture.client(#"{"version":1,"window":10}"#)
      let ended = EndedCommand("head -c 30 /dev/zero")
      let request = #"{"op":"run","shell":\#(quoted(ended.line)),"drain_ms":100}"#
      await client.send(open(1, request))
      try await client.until { $0.dataBytes == 10 }
      // Wait until the drain is over. The drain must not be too short: a process that is being
      // launched has copies of all descriptors until it executes its program.
      await client.send(
        open(3, #"{"op":"run","shell":\#(quoted(ended.waiter)),"drain_ms":100}"#))
      _ = try await client.result(3)
      await client.send(window(1, 1, 30))
      let result = try await client.result(1)
      #expect(result.contains(#""bytes":{"1":30,"2":0}"#))
      #expect(!result.contains("pipe_held"))
    }
  }

  @Test(arguments: SystemBackend.all)
  func aSlowClientReceivesAllOutputUntilTheEndOfTheDrain(_ backend: SystemBackend)
    async throws
  {
    try await Fixture.withProcesses(backend) { fixture in
      let client = try await fixture.client(#"{"version":1,"window":10}"#)
      let ended = EndedCommand("sleep 60 & head -c 30 /dev/zero")
      let request = #"{"op":"run","shell":\#(quoted(ended.line)),"drain_ms":1}"#
      await client.send(open(1, request))
      try await client.until { $0.dataBytes == 10 }
      await client.send(open(3, #"{"op":"run","shell":\#(quoted(ended.waiter)),"drain_ms":1}"#))
      _ = try await client.result(3)
      await client.send(window(1, 1, 100))
      let result = try await client.result(1)
      #expect(result.contains(#""bytes":{"1":30,"2":0}"#))
      #expect(result.contains(#""pipe_held":true"#))
      #expect(await client.output(1).count == 30)
    }
  }

  @Test(arguments: SystemBackend.all)
  func environmentDirectoryAndLimitsReachTheCommand(_ backend: SystemBackend) async throws {
    try await Fixture.withProcesses(backend) { fixture in
      let client = try await fixture.client()
      let request =
        #"{"op":"run","shell":"echo $KEPT-$GONE-$NEW; pwd; ulimit -n","cwd":"/tmp","#
        + #""env":{"GONE":null,"NEW":"n"},"limits":{"open_files":99}}"#
      await client.send(open(1, request))
      _ = try await client.result(1)
      #expect(await client.output(1) == Array("yes--n\n/tmp\n99\n".utf8))
    }
  }

  @Test(arguments: SystemBackend.all)
  func theShellRunsAScriptWithoutAnInterpreter(_ backend: SystemBackend) async throws {
    let script = "/tmp/telpher-script-\(UInt64.random(in: 0 ... .max))"
    let made = Glibc.open(script, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o700)
    let text = Array("echo \"$1\" \"$#\"\n".utf8)
    #expect(write(made, text, text.count) == text.count)
    Glibc.close(made)
    defer { unlink(script) }
    try await Fixture.withProcesses(backend) { fixture in
      let client = try await fixture.client()
      for (stream, limits) in [(UInt32(1), ""), (3, #","limits":{"open_files":99}"#)] {
        await client.send(open(stream, #"{"op":"run","argv":["\#(script)","a b"]\#(limits)}"#))
        #expect(try await client.result(stream).contains(#""code":0"#))
        #expect(await client.output(stream) == Array("a b 1\n".utf8))
      }
    }
  }

  @Test(arguments: SystemBackend.all)
  func mergedOutputsKeepTheirOrder(_ backend: SystemBackend) async throws {
    try await Fixture.withProcesses(backend) { fixture in
      let client = try await fixture.client()
      let request = #"{"op":"run","shell":"echo a; echo b >&2; echo c","merge":true}"#
      await client.send(open(1, request))
      _ = try await client.result(1)
      #expect(await client.output(1) == Array("a\nb\nc\n".utf8))
    }
  }

  /// A shell line as a JSON string.
  private func quoted(_ line: String) -> String {
    "\"" + line.split(separator: "\n").joined(separator: "\\n") + "\""
  }
}
