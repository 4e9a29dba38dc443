internal import Glibc
internal import TelpherJournal
internal import TelpherTestSupport
internal import TelpherTransport
internal import Testing

@Suite struct JournalModelTests {
  @Test(arguments: 0..<24)
  func randomPiecesAreReadBackFromRandomOffsets(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let box = try JournalBox()
    let system = FailingSystem()
    let journal = box.journal()
    let writer = try JournalWriter(
      folder: journal, name: JournalBox.name(1),
      settings: JournalSettings(bytes: JournalLimit.minimumBytes), system: system)
    var model = JournalModel()
    let follower = try JournalReader(folder: journal)
    var followed = JournalOffsets.zero
    for _ in 0..<Int.random(in: 20...120, using: &random) {
      let size = [1, 60, 4000, 65_536, 200_000].randomElement(using: &random) ?? 1
      let channel: JournalChannel = Bool.random(using: &random) ? .output : .error
      model.add(Int.random(in: 1...size, using: &random), to: channel, &random)
      let piece = model.pieces[model.pieces.count - 1]
      if Int.random(in: 0..<8, using: &random) == 0 {
        // Of a piece of several records, only one is lost.
        system.fail(.write, ENOSPC)
        #expect(append(piece, to: writer) == .lost(ENOSPC))
      } else {
        #expect(append(piece, to: writer) == .written)
      }
      if Int.random(in: 0..<4, using: &random) == 0 {
        try readOnce(journal, model, &random)
      }
      if Int.random(in: 0..<9, using: &random) == 0 {
        let reading = try Reading(follower)
        #expect(reading.last == .waiting)
        reading.check(against: model, from: followed)
        followed = model.totals
      }
    }
    #expect(writer.totals == model.totals)
    try writer.finish()
    let rest = try Reading(follower)
    #expect(rest.last == .end)
    rest.check(against: model, from: followed)
    for _ in 0..<4 { try readOnce(journal, model, &random, isFinished: true) }
    let summary = try JournalSummary.read(folder: journal)
    #expect(summary.totals == model.totals && summary.end == .finished)
    #expect(summary.lost == writer.lost)
  }

  private func readOnce(
    _ journal: SystemString, _ model: JournalModel, _ random: inout SeededGenerator,
    isFinished: Bool = false
  ) throws {
    let channels = [[.output], [.error], JournalChannel.allCases].randomElement(using: &random)
    let channels1 = channels ?? []
    let start = JournalOffsets(
      output: UInt64.random(in: 0...model.totals.output, using: &random),
      error: UInt64.random(in: 0...model.totals.error, using: &random))
    let reader = try JournalReader(folder: journal, channels: channels1, from: .offsets(start))
    let reading = try Reading(reader, room: Int.random(in: 500...70_000, using: &random))
    #expect(reading.last == (isFinished ? .end : .waiting))
    reading.check(against: model, from: start, channels: channels1)
    for channel in channels1 { #expect(reader.position[channel] == model.totals[channel]) }
    #expect(!reading.gaps.contains { $0.reason == .damaged })
  }

  @Test func nothingIsMissingOfWhatTheJournalHasRoomFor() throws {
    var random = SeededGenerator(seed: 1)
    let box = try JournalBox()
    let journal = box.journal()
    let writer = try JournalWriter(folder: journal, name: JournalBox.name(1))
    var model = JournalModel()
    for number in 0..<300 {
      model.add(
        Int.random(in: 1...9000, using: &random), to: number % 3 == 0 ? .error : .output, &random)
      #expect(append(model.pieces[number], to: writer) == .written)
    }
    try writer.finish()
    let reading = try Reading(JournalReader(folder: journal))
    reading.check(against: model, from: .zero)
    #expect(reading.gaps.isEmpty && reading.last == .end)
  }

  @Test func theFilesStayWithinTheLimit() throws {
    var random = SeededGenerator(seed: 2)
    let box = try JournalBox()
    let journal = box.journal()
    let settings = JournalSettings(bytes: JournalLimit.minimumBytes)
    let writer = try JournalWriter(folder: journal, name: JournalBox.name(1), settings: settings)
    var model = JournalModel()
    for number in 0..<200 {
      model.add(Int.random(in: 1...90_000, using: &random), to: .output, &random)
      append(model.pieces[number], to: writer)
      let sizes = try JournalBox.files(journal).map {
        UInt64(try JournalBox.read("\(journal)/\($0)").count)
      }
      #expect(sizes.reduce(0, +) <= settings.bytes)
    }
    let reading = try Reading(JournalReader(folder: journal))
    reading.check(against: model, from: .zero)
    // The oldest is missing, and most of the room is used.
    #expect(reading.gaps.map(\.reason) == [.dropped])
    let kept = model.totals.output - reading.missing(.output, .dropped)
    #expect(kept > settings.bytes * 3 / 4)
    #expect(
      try JournalSummary.read(folder: journal).first.output == reading.missing(.output, .dropped))
  }

  @Test func bytesThatCouldNotBeWrittenAreAGapAtOnceAndAfterTheEnd() throws {
    let box = try JournalBox()
    let system = FailingSystem()
    let journal = box.journal()
    let writer = try JournalWriter(folder: journal, name: JournalBox.name(1), system: system)
    let follower = try JournalReader(folder: journal)
    #expect(append("first", to: writer) == .written)
    #expect(try Reading(follower).received.count == 1)
    system.fail(.shortWrite, ENOSPC)
    #expect(append("second", to: writer) == .lost(ENOSPC))
    let gap = JournalEvent.gap(.output, offset: 5, bytes: 6, .notWritten)
    #expect(try next(follower) == gap)
    #expect(try next(follower) == .waiting)
    #expect(append("third", to: writer) == .written)
    writer.skip(7, of: .error)
    try writer.finish()
    #expect(writer.lost == JournalOffsets(output: 6, error: 7))
    let late = try Reading(JournalReader(folder: journal))
    #expect(late.received.map(\.bytes) == [Array("first".utf8), Array("third".utf8)])
    #expect(late.missing(.output, .notWritten) == 6 && late.missing(.error, .notWritten) == 7)
    #expect(late.last == .end)
    #expect(try JournalSummary.read(folder: journal).lost == writer.lost)
  }

  @Test func bytesThatWereLeftOutOnRequestAreReportedAsDiscarded() throws {
    let box = try JournalBox()
    let journal = box.journal()
    let writer = try JournalWriter(folder: journal, name: JournalBox.name(1))
    let follower = try JournalReader(folder: journal)
    writer.skip(3, of: .output)
    #expect(append("after", to: writer) == .written)
    let gap = JournalEvent.gap(.output, offset: 0, bytes: 3, .discarded)
    #expect(try next(follower) == gap)
    writer.skip(7, of: .error)
    try writer.finish()
    let late = try Reading(JournalReader(folder: journal))
    #expect(late.missing(.output, .discarded) == 3 && late.missing(.error, .discarded) == 7)
    #expect(late.last == .end)
  }

  @Test func aJournalIsCreatedOnce() throws {
    let box = try JournalBox()
    let journal = box.journal()
    let writer = try JournalWriter(folder: journal, name: JournalBox.name(1))
    let error = #expect(throws: JournalError.self) {
      try JournalWriter(folder: journal, name: JournalBox.name(1))
    }
    #expect(error?.code == .exists)
    #expect(append("still works", to: writer) == .written)
  }

  @Test func aRemovedJournalIsGone() throws {
    let box = try JournalBox()
    let journal = box.journal()
    do {
      let writer = try JournalWriter(folder: journal, name: JournalBox.name(1))
      append("text", to: writer)
      try writer.finish()
    }
    try JournalRemoval.remove(folder: journal, name: JournalBox.name(1))
    let error = #expect(throws: JournalError.self) { try JournalReader(folder: journal) }
    #expect(error?.code == .notFound)
    try JournalRemoval.remove(folder: journal, name: JournalBox.name(1))
  }
}
