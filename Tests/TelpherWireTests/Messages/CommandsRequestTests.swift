import Glibc
import Testing
import TelpherWire

@Suite struct CommandsRequestTests {
  private static func decode(_ json: String) throws -> OpenRequest {
    try OpenRequest.decode(Array(json.utf8))
  }

  @Test func `Each request is decoded`() throws {
    #expect(try Self.decode(#"{"op":"ps"}"#) == .commands(CommandsRequest(.list)))
    #expect(
      try Self.decode(#"{"op":"ps","after":"17"}"#)
        == .commands(CommandsRequest(.list, after: "17")))
    #expect(
      try Self.decode(#"{"op":"kill","job":"17"}"#) == .commands(CommandsRequest(.kill, job: "17")))
    #expect(
      try Self.decode(#"{"op":"kill","job":"17","signal":9}"#)
        == .commands(CommandsRequest(.kill, job: "17", signal: SIGKILL)))
  }

  @Test func `An encoded request decodes to the same`() throws {
    for request in [
      CommandsRequest(.list), CommandsRequest(.list, after: "x"),
      CommandsRequest(.kill, job: "x", signal: 64),
    ] {
      #expect(
        try OpenRequest.decode(OpenRequest.commands(request).encoded()) == .commands(request))
    }
  }

  @Test(arguments: [
    #"{"op":"kill"}"#, #"{"op":"kill","job":""}"#, #"{"op":"kill","job":"1","signal":0}"#,
    #"{"op":"kill","job":"1","signal":65}"#, #"{"op":"kill","job":1}"#, #"{"op":"ps","after":""}"#,
    #"{"op":"ps","after":"\#(String(repeating: "x", count: 65))"}"#,
  ])
  func `A request that makes no sense is refused`(json: String) {
    #expect(throws: WireError.self) { try Self.decode(json) }
  }

  @Test func `A limit outside of its range is refused`() {
    func isRefused(_ limit: String) -> Bool {
      (try? Self.decode(#"{"op":"run","argv":["a"],"limits":{\#(limit)}}"#)) == nil
    }
    for limit in [
      #""nice":20"#, #""nice":-1"#, #""tree_cpu_milli":9"#, #""tree_cpu_milli":1000001"#,
      #""tree_processes":0"#, #""tree_memory_bytes":0"#,
      #""tree_memory_bytes":4611686018427387905"#,
      #""tree_memory":1"#,
    ] { #expect(isRefused(limit), "\(limit)") }
    for limit in [
      #""nice":0"#, #""nice":19"#, #""tree_cpu_milli":10"#, #""tree_processes":1"#,
      #""tree_memory_bytes":4611686018427387904"#,
    ] { #expect(!isRefused(limit), "\(limit)") }
  }

  @Test func `Cause, group and commands of a result keep their values`() throws {
    var result = CloseResult(.ok)
    result.cause = .outOfMemory
    result.group = CloseResult.Group()
    result.group?.memoryLimit = 1
    result.group?.memoryPeak = 2
    result.group?.outOfMemoryKills = 3
    result.group?.processLimit = 4
    result.group?.processLimitHits = 5
    result.group?.cpuMS = 6.5
    result.group?.throttledMS = 7
    result.group?.readBytes = 8
    result.group?.writtenBytes = 9
    result.commands = [
      CommandRecord(
        id: "1", client: "x", pid: 2, state: .running, ageMS: 3, cpuMS: 4.5, memoryBytes: 5,
        processes: 6, argv: ["a", ByteText([0xFF])], isCut: true)
    ]
    result.more = true
    #expect(try CloseResult.decode(result.encoded()) == result)
    let text = String(decoding: result.encoded(), as: UTF8.self)
    #expect(
      text.contains(
        #""group":{"cpu_ms":6.5,"memory_limit_bytes":1,"memory_peak_bytes":2,"oom_kills":3,"process_limit":4,"process_limit_hits":5,"read_bytes":8,"throttled_ms":7,"written_bytes":9}"#
      ))
    #expect(
      text.contains(
        #""commands":[{"age_ms":3,"argv":["a",{"base64":"/w=="}],"client":"x","cpu_ms":4.5,"cut":true,"id":"1","memory_bytes":5,"pid":2,"processes":6,"state":"running"}],"more":true"#
          .replacing(#","more":true"#, with: "")))
  }
}
