import Glibc
import TelpherTestSupport
import Testing

@testable import TelpherFleet

@Suite struct FleetJournalTests {
  private let sandbox = try! Sandbox()
  private var file: String { sandbox.path + "/jobs.journal" }
  private let job = JobID.random()
  private let payload: [UInt8] = [0, 1, 2, 255]
  private let final = FinalRecord(.random(), .lost("x"))

  @Test func entriesAreThereAfterARestart() async throws {
    let (a, b, c) = (JobID.random(), JobID.random(), JobID.random())
    var journal: FleetJournal? = try FleetJournal(in: sandbox.path, now: 1)
    let id = journal!.id
    let attempt = ClaimAttempt(attempt: 1, expected: nil)
    for job in [a, b, c] {
      try await journal!.store(.claiming(attempt), of: job, payload: payload, now: 1)
    }
    try await journal!.store(.starting(attempt: 1), of: a, payload: [], now: 1)
    try await journal!.store(.releasing(attempt: 1, "no files"), of: a, payload: [], now: 1)
    try await journal!.store(.done, of: b, payload: [], now: 1)
    try await journal!.store(.dropped, of: c, payload: [], now: 1)
    #expect(journal!.isDone(b) && !journal!.isDone(c))
    journal = nil
    for _ in 0..<2 {
      let journal = try FleetJournal(in: sandbox.path, now: 2)
      #expect(journal.id == id)
      #expect(journal.unfinished.map(\.job) == [a])
      #expect(journal.unfinished.map(\.entry) == [.releasing(attempt: 1, "no files")])
      #expect(journal.unfinished.map(\.payload) == [payload])
      #expect(journal.isDone(b) && !journal.isDone(c))
    }
    let later = try FleetJournal(in: sandbox.path, now: 1 + JournalMemory.memory)
    #expect(!later.isDone(b))
  }

  @Test func anIncompleteEndIsDropped() async throws {
    var journal: FleetJournal? = try FleetJournal(in: sandbox.path, now: 1)
    try await journal!.store(.starting(attempt: 2), of: job, payload: payload, now: 1)
    let complete = try bytes()
    try await journal!.store(.done, of: job, payload: [], now: 1)
    let whole = try bytes()
    journal = nil
    for length in complete.count..<whole.count {
      try write(Array(whole.prefix(length)))
      let journal = try FleetJournal(in: sandbox.path, now: 2)
      #expect(journal.unfinished.map(\.entry) == [.starting(attempt: 2)], "\(length)")
    }
    // A changed byte counts as the end.
    var damaged = whole
    damaged[complete.count + 20] ^= 1
    try write(damaged)
    #expect(try FleetJournal(in: sandbox.path, now: 2).unfinished.count == 1)
    try write(whole)
    #expect(try FleetJournal(in: sandbox.path, now: 2).unfinished.isEmpty)
  }

  private func write(_ bytes: [UInt8]) throws {
    let descriptor = open(file, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(descriptor) }
    #expect(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
  }

  private func bytes() throws -> [UInt8] {
    let descriptor = open(file, O_RDONLY | O_CLOEXEC)
    try check(descriptor, "open")
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(descriptor, &bytes, bytes.count)
    return Array(bytes.prefix(count))
  }

  @Test func anotherFileIsRefused() throws {
    try write(Array("something else that is long enough for a header".utf8))
    #expect(throws: FleetError.self) { try FleetJournal(in: sandbox.path, now: 1) }
  }

  /// Without room an entry is not there at all, also not after a restart, and can be stored later.
  @Test func aFullDiskDamagesNothing() async {
    await #expect(processExitsWith: .success) {
      let sandbox = try Sandbox()
      let (a, b) = (JobID.random(), JobID.random())
      let attempt = ClaimAttempt(attempt: 1, expected: nil)
      let payload = [UInt8](repeating: 7, count: 1_000)
      var journal: FleetJournal? = try FleetJournal(in: sandbox.path, now: 1)
      try await journal!.store(.claiming(attempt), of: a, payload: payload, now: 1)
      // A limit for the size of files is a disk of that size for this file.
      signal(SIGXFSZ, SIG_IGN)
      var status = stat()
      #expect(stat(sandbox.path + "/jobs.journal", &status) == 0)
      let kind = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
      var limit = rlimit()
      #expect(getrlimit(kind, &limit) == 0)
      let most = limit.rlim_cur
      limit.rlim_cur = rlim_t(status.st_size) + 700
      #expect(setrlimit(kind, &limit) == 0)
      for _ in 0..<3 {
        let error = await #expect(throws: FleetError.self) {
          try await journal!.store(.claiming(attempt), of: b, payload: payload, now: 1)
        }
        #expect(error?.code == .full)
      }
      #expect(journal!.unfinished.map(\.job) == [a])
      #expect(stat(sandbox.path + "/jobs.journal", &status) == 0)
      #expect(rlim_t(status.st_size) + 700 == limit.rlim_cur)
      // What is short enough has room.
      try await journal!.store(.starting(attempt: 1), of: a, payload: [], now: 1)
      limit.rlim_cur = most
      #expect(setrlimit(kind, &limit) == 0)
      try await journal!.store(.claiming(attempt), of: b, payload: payload, now: 1)
      journal = nil
      let entries = try FleetJournal(in: sandbox.path, now: 2).unfinished
      #expect(Set(entries.map(\.job)) == [a, b])
      #expect(entries.first { $0.job == a }?.entry == .starting(attempt: 1))
    }
  }

  @Test func onlyOneWorkerHasAFolder() throws {
    let journal = try FleetJournal(in: sandbox.path, now: 1)
    #expect(throws: FleetError.self) { try FleetJournal(in: sandbox.path, now: 1) }
    #expect(journal.unfinished.isEmpty)
  }

  @Test func manyTasksShareTheFile() async throws {
    var journal: FleetJournal? = try FleetJournal(in: sandbox.path, now: 1)
    let jobs = (0..<200).map { _ in JobID.random() }
    let shared = journal!
    await withTaskGroup { group in
      for (index, job) in jobs.enumerated() {
        group.addTask { [payload] in
          try! await shared.store(.starting(attempt: index + 1), of: job, payload: payload, now: 1)
        }
      }
    }
    journal = nil
    _ = consume shared
    let stored = try FleetJournal(in: sandbox.path, now: 1).unfinished
    #expect(Set(stored.map(\.job)) == Set(jobs))
  }

  @Test func allEntriesSurviveTheirText() {
    let entries: [JournalEntry] = [
      .claiming(ClaimAttempt(attempt: 1, expected: nil)),
      .claiming(ClaimAttempt(attempt: 3, expected: Revision(9))), .starting(attempt: 2),
      .ended(FinalRecord(job, .exhausted("y"), worker: WorkerName("w")!, attempt: 2)), .done,
      .dropped,
    ]
    for entry in entries {
      let line = JournalLine(job, entry, payload, 5)
      let read = JournalLine.decode(line.encoded, at: 0)
      #expect(read?.0.entry == entry)
      #expect(read?.0.job == job)
      #expect(read?.0.time == 5)
      #expect(read?.next == line.encoded.count)
    }
  }
}
