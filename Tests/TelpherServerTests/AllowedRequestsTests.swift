import TelpherServer
import TelpherTestSupport
import Testing

@Suite(.timeLimit(.minutes(15))) struct AllowedRequestsTests {
  private static let changes = [
    #"{"op":"put","path":"a"}"#, #"{"op":"put_tree","path":""}"#, #"{"op":"mkdir","path":"a"}"#,
    #"{"op":"rm","path":"a"}"#, #"{"op":"mv","path":"a","to":"b"}"#,
  ]
  private static let reads = [
    #"{"op":"get","path":"a"}"#, #"{"op":"get_tree","path":""}"#, #"{"op":"list","path":""}"#,
    #"{"op":"stat","path":"a"}"#,
  ]

  @Test func aServerThatAllowsNoCommandsRunsNone() async throws {
    try await Fixture.inMemory(configure: { $0.runsCommands = false }) { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(1), open(3, #"{"op":"run","shell":"id"}"#))
      for stream in [1, 3] as [UInt32] {
        let result = try await client.result(stream)
        #expect(result.contains("refused") && result.contains("--no-commands"))
      }
      #expect(await puppet.starts == 0)
    }
  }

  @Test func aReadOnlyServerRefusesChanges() async throws {
    try await Fixture.inMemory(configure: { $0.isReadOnly = true }) { fixture in
      let client = try await fixture.client()
      for (number, request) in (Self.changes + Self.reads).enumerated() {
        let stream = UInt32(2 * number + 1)
        await client.send(open(stream, request))
        let result = try await client.result(stream)
        #expect(result.contains("refused"))
        // This server has no files, so requests that read are refused for that reason.
        #expect(result.contains("--read-only") == Self.changes.contains(request), "\(request)")
      }
    }
  }
}
