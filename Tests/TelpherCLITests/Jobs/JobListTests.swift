import TelpherWire
import Testing

@testable import TelpherCLI

struct JobListTests {
  private func state(_ result: CloseResult) -> Bool {
    var job = JobRecord(id: "0123456789abcdef", state: .finished, argv: ["x"], createdMS: 0)
    job.result = result
    return JobList([job]).text.contains("out of memory")
  }

  @Test func aJobThatALimitHasEndedSaysWhich() {
    var result = CloseResult(.signaled)
    result.signal = 9
    #expect(!state(result))
    result.cause = .outOfMemory
    #expect(state(result))
  }
}
