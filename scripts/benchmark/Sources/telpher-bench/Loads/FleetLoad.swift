/// Jobs that go through a queue.
struct FleetLoad: Sendable {
  /// How many workers take them, each one at a time.
  var workers: Int
  /// How many are unfinished at the same time.
  var inFlight: Int
  /// How many there are in all.
  var jobs: Int
  /// The length of the payload of each in bytes.
  var length: Int

  /// Two jobs for each worker, so that none waits for the submitter.
  init(workers: Int, jobs: Int, length: Int) {
    self.init(workers: workers, inFlight: 2 * workers, jobs: jobs, length: length)
  }

  /// One job after the other.
  init(oneByOne jobs: Int, length: Int) {
    self.init(workers: 1, inFlight: 1, jobs: jobs, length: length)
  }

  private init(workers: Int, inFlight: Int, jobs: Int, length: Int) {
    (self.workers, self.inFlight, self.jobs, self.length) = (workers, inFlight, jobs, length)
  }
}
