import TelpherClient
import TelpherTestSupport
import Testing

struct SlowReaderTests {
  @Test(arguments: SystemBackend.all)
  func aSlowReaderBlocksTheCommandAndLosesNothing(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let command = Command("head", "-c", "150000000", "/dev/zero")
      let (count, result) = try await connection.run(command) { handle in
        async let errors = Self.count(handle.error)
        var count = 0
        for try await chunk in handle.output {
          // The reader of the other output waits in the meantime. More bytes arrive than would be
          // kept if only one output had a reader.
          if count == 0 { try await Task.sleep(for: .milliseconds(300)) }
          count += chunk.count
        }
        return try await (count, errors)
      }
      #expect(count == (150_000_000, 0))
      #expect(result.isSuccess)
      await connection.close()
    }
  }

  @Test(arguments: SystemBackend.all)
  func aTaskCanSwitchToTheOtherOutput(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let line = "echo start; head -c 8000000 /dev/zero; echo end >&2"
      let (errors, result) = try await connection.run(Command(shell: line)) { handle in
        for try await _ in handle.output { break }
        return try await Self.count(handle.error)
      }
      #expect(errors == 4)
      #expect(result.isSuccess)
      await connection.close()
    }
  }

  private static func count(_ output: CommandOutput) async throws -> Int {
    var count = 0
    for try await chunk in output { count += chunk.count }
    return count
  }
}
