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

  private func surplus(of jobs: [JobRetention.Ended], space: UInt64 = 1_000) -> [String] {
    JobRetention.surplus(of: jobs, now: Self.now, space: space)
  }

  @Test func aJobIsKeptForAWeek() {
    let week = JobRetention.maxAgeMS / Self.hour
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
}
