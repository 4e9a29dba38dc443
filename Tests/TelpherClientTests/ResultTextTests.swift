import Testing

@testable import TelpherClient
@testable import TelpherWire

/// A result prints as one readable line.
@Suite struct ResultTextTests {
  @Test(arguments: [
    (
      #"{"result":"exited","code":0,"bytes":{"1":34,"2":0},"wall_ms":12.4}"#,
      "exited with code 0 after 12 ms (output: 34 bytes)"
    ),
    (
      #"{"result":"exited","code":3,"bytes":{"1":0,"2":7},"wall_ms":61000}"#,
      "exited with code 3 after 61 s (errors: 7 bytes)"
    ),
    (
      #"{"result":"signaled","signal":9,"bytes":{"1":0,"2":0},"pipe_held":true,"survivors":true}"#,
      "ended by signal 9 (another process holds an output pipe, processes of it are still running)"
    ),
    (#"{"result":"timed_out","bytes":{"1":0,"2":0},"code":0}"#, "ended at its deadline"),
    (#"{"result":"canceled"}"#, "canceled"),
    (
      #"{"result":"not_started","errno":2,"stage":"execute","message":"cannot run 'a\nb'"}"#,
      #"not started: cannot run 'a\x0ab'"#
    ),
    (#"{"result":"detached"}"#, "detached from the job, which continues"),
  ])
  func aResultPrintsAsOneLine(close: String, text: String) throws {
    let result = try CommandResult(try CloseResult.decode(Array(close.utf8)))
    #expect("\(result)" == text)
    #expect("\(CollectedResult(result: result, output: [1, 2], error: []))" == text)
  }

  @Test func theServersReportHasNames() throws {
    let close = #"""
      {"result":"exited","code":0,"bytes":{"1":5,"2":6},"wall_ms":1.5,"rusage":{"user_ms":2,
      "system_ms":0.5,"max_rss_kib":8,"minor_faults":1,"major_faults":2,"voluntary_switches":3,
      "involuntary_switches":4}}
      """#
    let result = try CommandResult(try CloseResult.decode(Array(close.utf8)))
    #expect((result.outputCount, result.errorCount) == (5, 6))
    #expect(result.wallTime == .microseconds(1_500))
    #expect(!result.pipeWasHeld && !result.hasSurvivors)
    let usage = try #require(result.usage)
    #expect(usage.userTime == .milliseconds(2) && usage.systemTime == .microseconds(500))
    #expect(usage.maxResidentKiB == 8)
    #expect((usage.minorFaults, usage.majorFaults) == (1, 2))
    #expect((usage.voluntarySwitches, usage.involuntarySwitches) == (3, 4))
  }
}
