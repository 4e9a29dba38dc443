import Testing
import TelpherWire

@Suite struct CloseResultTests {
  @Test func `An encoded result decodes to the same`() throws {
    var result = CloseResult(.signaled, message: "ä")
    result.signal = 9
    result.coreDumped = false
    result.errno = 2
    result.stage = "execute"
    result.bytes = ["1": 6, "2": .max]
    result.wallMS = 1.9
    result.pipeHeld = true
    result.survivors = true
    result.rusage = CloseResult.Usage(
      userMS: 0.5, systemMS: 0.25, maxRSSKiB: 1, minorFaults: 2, majorFaults: 3,
      voluntarySwitches: 4, involuntarySwitches: 5)
    result.info = ServerInfo(
      server: "telpher 0", protocolVersion: 1, pid: 1, host: "h", system: "s", killScope: "group",
      uptimeS: 1, connections: 2, running: 3, started: 4, limits: ["streams": 5])
    #expect(try CloseResult.decode(result.encoded()) == result)
  }

  @Test func `The keys on the wire are those of the protocol page`() {
    var result = CloseResult(.exited)
    result.code = 0
    result.coreDumped = false
    result.wallMS = 1
    result.pipeHeld = true
    #expect(
      String(decoding: result.encoded(), as: UTF8.self)
        == #"{"code":0,"core_dumped":false,"pipe_held":true,"result":"exited","wall_ms":1}"#)
  }

  @Test func `An unknown kind of result is passed on`() throws {
    let result = try CloseResult.decode(Array(#"{"result":"teleported","to":"mars"}"#.utf8))
    #expect(result.result == CloseResult.Kind("teleported"))
  }

  @Test(arguments: [
    "{}", "", #"{"result":1}"#, #"{"result":"exited","code":4294967296}"#,
    #"{"result":"exited","code":256,"bytes":{"1":0,"2":0}}"#,
    #"{"result":"signaled","signal":-128,"bytes":{"1":0,"2":0}}"#,
    #"{"result":"exited","code":0}"#, #"{"result":"exited","bytes":{"1":0,"2":0}}"#,
  ])
  func `An invalid result is an error`(json: String) {
    #expect(throws: WireError.self) { try CloseResult.decode(Array(json.utf8)) }
  }
}
