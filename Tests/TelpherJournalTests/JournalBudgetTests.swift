internal import TelpherJournal
internal import TelpherTestSupport
internal import TelpherTransport
internal import Testing

@Suite struct JournalBudgetTests {
  private static let small = JournalSettings(bytes: JournalLimit.minimumBytes)
  /// Two segments of 128 KiB and an index.
  private static let reserved: UInt64 = 266_240

  /// The bytes of all files of these journals.
  private static func size(_ box: JournalBox, _ jobs: some Sequence<UInt8>) throws -> UInt64 {
    try jobs.reduce(0) { sum, job in
      let journal = box.journal(job)
      return try JournalBox.files(journal).reduce(sum) {
        $0 + UInt64(try JournalBox.read("\(journal)/\($1)").count)
      }
    }
  }

  @Test func allJournalsTogetherStayWithinTheLimit() throws {
    var random = SeededGenerator(seed: 1)
    let box = try JournalBox()
    let limit: UInt64 = 2 << 20
    // Each writer has opened the file for itself, as its process does.
    var writers: [JournalWriter] = []
    for job in UInt8(0)..<5 {
      writers.append(
        try JournalWriter(
          folder: box.journal(job), name: JournalBox.name(job), settings: Self.small,
          budget: JournalBudget(jobs: box.jobs, totalBytes: limit)))
    }
    let bytes = [UInt8](repeating: 7, count: 60_000)
    for _ in 0..<200 {
      let job = Int.random(in: 0..<5, using: &random)
      let outcome = bytes.withUnsafeBytes { writers[job].append($0, to: .output) }
      #expect(outcome == .written)
      let size = try Self.size(box, 0..<5)
      let used = try JournalBudget(jobs: box.jobs, totalBytes: limit).used()
      #expect(size <= used && used <= limit)
    }
    // Each still has its last segments.
    for job in UInt8(0)..<5 {
      let reading = try Reading(JournalReader(folder: box.journal(job)))
      #expect(reading.received.reduce(0) { $0 + $1.bytes.count } > 100_000)
    }
    #expect(try Self.size(box, 0..<5) > limit / 2)
  }

  @Test func aJournalWithoutRoomIsRefusedUntilAnotherIsRemoved() throws {
    let box = try JournalBox()
    let budget = try JournalBudget(jobs: box.jobs, totalBytes: 3 * Self.reserved + 10_000)
    func create(_ job: UInt8) throws -> JournalWriter {
      try JournalWriter(
        folder: box.journal(job), name: JournalBox.name(job), settings: Self.small, budget: budget)
    }
    let first = try create(1)
    _ = try create(2)
    _ = try create(3)
    let error = #expect(throws: JournalError.self) { try create(4) }
    #expect(error?.code == .noRoom)
    #expect(error?.message.contains("forget finished jobs") == true)
    // Nothing is left of it.
    let gone = #expect(throws: JournalError.self) { try JournalReader(folder: box.journal(4)) }
    #expect(gone?.code == .notFound)
    // A finished journal counts with what it has.
    append("little", to: first)
    try first.finish()
    _ = try create(4)
    // A removed one does not count at all, also if somebody removed the folder by hand.
    try JournalRemoval.remove(
      folder: box.journal(2), name: JournalBox.name(2), budget: budget)
    _ = try create(5)
    #expect(throws: JournalError.self) { try create(6) }
    box.removeJob(3)
    _ = try create(6)
  }

  @Test func aFileOfSomethingElseIsNotOverwritten() throws {
    let box = try JournalBox()
    let path = "\(box.path)/journals"
    for text in ["x", "something else entirely, of more than 32 bytes"] {
      try JournalBox.write(Array(text.utf8), to: path)
      let error = #expect(throws: JournalError.self) { try JournalBudget(jobs: box.jobs) }
      #expect(error?.code == .damaged)
      #expect(try JournalBox.read(path) == Array(text.utf8))
    }
  }
}

@Suite struct JournalBlockTests {
  @Test func aFullJournalTakesNothingUntilItsReaderHasTheOldest() throws {
    var random = SeededGenerator(seed: 3)
    let box = try JournalBox()
    let journal = box.journal()
    let writer = try JournalWriter(
      folder: journal, name: JournalBox.name(1),
      settings: JournalSettings(bytes: JournalLimit.minimumBytes, whenFull: .block),
      budget: try JournalBudget(jobs: box.jobs, totalBytes: 1 << 20))
    let reader = try JournalReader(folder: journal)
    var model = JournalModel()
    var everything = Reading()
    var fullTimes = 0
    for number in 0..<100 {
      model.add(
        Int.random(in: 1...120_000, using: &random), to: number % 5 == 0 ? .error : .output, &random
      )
      let piece = model.pieces[number]
      var done = 0
      while done < piece.bytes.count {
        let rest = Array(piece.bytes[done...])
        let outcome = rest.withUnsafeBytes {
          writer.append($0, to: piece.channel, time: piece.time)
        }
        switch outcome {
        case .written: done = piece.bytes.count
        case .lost: Issue.record("nothing fails")
        case .full(let taken):
          done += taken
          fullTimes += 1
          // Again: it stays full.
          #expect(!writer.release(before: .zero))
          let again = rest.dropFirst(taken).withUnsafeBytes {
            writer.append($0, to: piece.channel, time: piece.time)
          }
          #expect(again == .full(taken: 0))
          try everything.read(reader, room: 65_536)
          #expect(writer.release(before: reader.position))
        }
      }
    }
    try writer.finish()
    try everything.read(reader, room: 65_536)
    #expect(fullTimes > 3 && everything.gaps.isEmpty && everything.last == .end)
    everything.check(against: model, from: .zero)
  }

  @Test func offsetsBeyondTheOutputReleaseNoMoreThanThereIs() throws {
    let box = try JournalBox()
    let journal = box.journal()
    let writer = try JournalWriter(
      folder: journal, name: JournalBox.name(1),
      settings: JournalSettings(bytes: JournalLimit.minimumBytes, whenFull: .block))
    append("text", to: writer)
    #expect(!writer.release(before: JournalOffsets(output: .max, error: .max)))
    let bytes = [UInt8](repeating: 1, count: 400_000)
    let outcome = bytes.withUnsafeBytes { writer.append($0, to: .output) }
    #expect(outcome == .written)
    let reading = try Reading(JournalReader(folder: journal))
    #expect(reading.gaps.isEmpty)
  }
}
