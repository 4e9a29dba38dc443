import TelpherTestSupport
import TelpherTransport
import Testing

@testable import TelpherJournal
@testable import TelpherServer

struct JobRetentionTests {
  private static let now: Int64 = 2_000_000_000_000
  private static let hour: Int64 = 3_600_000

  /// A job that ended some hours ago.
  private func ended(_ id: String, hours: Int64, _ bytes: UInt64 = 10) -> JobRetention.Ended {
    JobRetention.Ended(id: id, endedMS: Self.now - hours * Self.hour, bytes: bytes)
  }

  private func surplus(
    of jobs: [JobRetention.Ended], space: UInt64 = 1_000, _ retention: JobRetention = JobRetention()
  ) -> [String] {
    retention.surplus(of: jobs, now: Self.now, space: space)
  }

  @Test func aJobIsKeptForAWeek() {
    let week = JobRetention().maxAgeMS / Self.hour
    #expect(surplus(of: [ended("a", hours: week + 1), ended("b", hours: week)]) == ["a"])
  }

  @Test func theOldestGoFirstUntilHalfOfTheSpaceIsFree() {
    let jobs = [
      ended("new", hours: 2, 300), ended("old", hours: 9, 300), ended("older", hours: 10, 1),
      ended("oldest", hours: 11, 1),
    ]
    #expect(surplus(of: jobs) == ["oldest", "older", "old"])
    #expect(surplus(of: jobs, space: 1_204) == [])
    #expect(surplus(of: jobs, space: 1_203) == ["oldest"])
  }

  @Test func aJobThatHasJustEndedIsKeptWhateverItsSize() {
    #expect(surplus(of: [ended("a", hours: 1, 5_000), ended("b", hours: 0, 5_000)]) == [])
    // The clock was set back.
    #expect(surplus(of: [ended("a", hours: -900, 5_000)]) == [])
  }

  @Test func thereIsAlwaysRoomForTheJournalsOfOtherJobs() {
    let most = JournalLimit.journals / 2
    let jobs = (0...most).map { ended("\($0)", hours: 2, 0) }
    #expect(surplus(of: jobs).count == 1)
  }

  @Test func bothLimitsCanBeSet() {
    var retention = JobRetention()
    (retention.maxAgeMS, retention.maxBytes) = (3 * Self.hour, 400)
    let jobs = [
      ended("a", hours: 4, 1), ended("b", hours: 3, 300), ended("c", hours: 2, 300),
      ended("d", hours: 1, 300),
    ]
    #expect(surplus(of: jobs, retention) == ["a", "b", "c"])
    retention.maxBytes = 600
    #expect(surplus(of: jobs, retention) == ["a", "b"])
    retention.maxAgeMS = 3 * Self.hour - 1
    retention.maxBytes = 5_000
    #expect(surplus(of: jobs, retention) == ["a", "b"])
  }

  @Test func aFileThatCannotBeReadRemovesNothing() throws {
    let sandbox = try Sandbox()
    let file = RetentionFile(path: SystemString(sandbox.inside("retention")))
    #expect(file.read() == JobRetention())
    var retention = JobRetention()
    (retention.maxAgeMS, retention.maxBytes) = (3_600_000, 7)
    try file.write(retention)
    #expect(file.read() == retention)
    for text in ["", "{", "{}", #"{"max_age_ms":"x"}"#] {
      try sandbox.write("retention", text)
      #expect(file.read() == nil, "\(text)")
    }
    try sandbox.makeFolder("folder")
    #expect(RetentionFile(path: SystemString(sandbox.inside("folder"))).read() == nil)
    #expect(throws: ErrorNumber.self) {
      try RetentionFile(path: SystemString(sandbox.inside("none/x"))).write(retention)
    }
  }
}
