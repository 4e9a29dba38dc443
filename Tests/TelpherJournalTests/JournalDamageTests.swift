internal import Glibc
internal import TelpherJournal
internal import TelpherTestSupport
internal import TelpherTransport
internal import Testing

@Suite struct JournalDamageTests {
  /// A small journal on disk, its pieces, and where each record begins in its only segment.
  private struct Small {
    let box: JournalBox
    let journal: SystemString
    let model: JournalModel
    let segment: [UInt8]
    let ends: [Int]
    var segmentPath: String { "\(journal)/0000000000000000" }

    init(finished: Bool) throws {
      box = try JournalBox()
      journal = box.journal()
      var random = SeededGenerator(seed: 3)
      var model = JournalModel()
      let writer = try JournalWriter(folder: journal, name: JournalBox.name(1))
      var ends: [Int] = []
      for size in [1, 30, 7, 100, 2, 60] {
        model.add(size, to: size % 2 == 0 ? .output : .error, &random)
        append(model.pieces[ends.count], to: writer)
        ends.append((ends.last ?? 40) + 48 + size)
      }
      if finished { try writer.finish() }
      self.model = model
      self.ends = ends
      segment = try JournalBox.read("\(journal)/0000000000000000")
      #expect(segment.count == ends.last)
    }
  }

  @Test func aWriterThatDiedAtAnyByteLeavesAllCompleteRecords() throws {
    let small = try Small(finished: false)
    for length in 0...small.segment.count {
      try JournalBox.write(small.segment.prefix(length), to: small.segmentPath)
      let reading = try Reading(JournalReader(folder: small.journal))
      let complete = small.ends.count { $0 <= length }
      #expect(reading.received.map(\.bytes) == small.model.pieces.prefix(complete).map(\.bytes))
      // A segment without a header is one that was being created, or a damaged one.
      #expect(reading.last == .cut(isDamaged: length < 40) && reading.gaps.isEmpty)
      #expect(try JournalSummary.read(folder: small.journal).end == .cut)
    }
  }

  @Test func aWriterThatLivesMayBeWritingTheRest() throws {
    let box = try JournalBox()
    let journal = box.journal()
    let writer = try JournalWriter(folder: journal, name: JournalBox.name(1))
    append("first", to: writer)
    append("second", to: writer)
    let path = "\(journal)/0000000000000000"
    let complete = try JournalBox.read(path)
    for length in 40 + 48 + 5..<complete.count {
      #expect(truncate(path, length) == 0)
      let reader = try JournalReader(folder: journal)
      let before = try Reading(reader)
      #expect(before.received.map(\.bytes) == [Array("first".utf8)] && before.last == .waiting)
      // The writer goes on.
      try JournalBox.write(complete, to: path)
      let reading = try Reading(reader)
      #expect(reading.received.map(\.bytes) == [Array("second".utf8)])
    }
    // The same for the last byte of the payload, as if the rest had been written before it.
    var damaged = complete
    damaged[damaged.count - 1] ^= 1
    try JournalBox.write(damaged, to: path)
    let reader = try JournalReader(folder: journal, from: .offsets(.init(output: 5, error: 0)))
    #expect(try next(reader) == .waiting)
    append("third", to: writer)
    #expect(try next(reader) == .gap(.output, offset: 5, bytes: 6, .damaged))
  }

  @Test(arguments: [false, true])
  func aChangedBitNeverChangesTheOutput(finished: Bool) throws {
    let small = try Small(finished: finished)
    for place in small.segment.indices {
      var damaged = small.segment
      damaged[place] ^= 1 << UInt8(place % 8)
      try JournalBox.write(damaged, to: small.segmentPath)
      let reading = try Reading(JournalReader(folder: small.journal))
      if finished {
        #expect(reading.last == .end)
        reading.check(against: small.model, from: .zero)
        #expect(!reading.gaps.isEmpty && reading.gaps.allSatisfy { $0.reason == .damaged })
      } else {
        let received = reading.received.map(\.bytes)
        #expect(received.allSatisfy { part in small.model.pieces.contains { $0.bytes == part } })
        let isReported = reading.last == .cut(isDamaged: true)
        #expect(isReported || reading.gaps.contains { $0.reason == .damaged })
      }
    }
  }

  @Test func aDamagedIndexIsReported() throws {
    let small = try Small(finished: true)
    let path = "\(small.journal)/index"
    let index = try JournalBox.read(path)
    for place in 0..<48 {
      var damaged = index
      damaged[place] ^= 1
      try JournalBox.write(damaged, to: path)
      let error = #expect(throws: JournalError.self) { try JournalReader(folder: small.journal) }
      #expect(error?.code == .damaged)
    }
    for place in 512..<560 {
      var damaged = index
      damaged[place] ^= 1
      try JournalBox.write(damaged, to: path)
      let reading = try Reading(JournalReader(folder: small.journal))
      reading.check(against: small.model, from: .zero)
      #expect(reading.last == .cut(isDamaged: true))
    }
    try JournalBox.write([], to: path)
    let error = #expect(throws: JournalError.self) { try JournalReader(folder: small.journal) }
    #expect(error?.code == .damaged)
  }

  @Test func aSegmentThatIsMissingOrDamagedInTheMiddleIsAGap() throws {
    let box = try JournalBox()
    let journal = box.journal()
    var random = SeededGenerator(seed: 9)
    var model = JournalModel()
    do {
      let writer = try JournalWriter(
        folder: journal, name: JournalBox.name(1),
        settings: JournalSettings(bytes: JournalLimit.minimumBytes))
      for number in 0..<60 {
        model.add(10_000, to: number % 2 == 0 ? .output : .error, &random)
        append(model.pieces[number], to: writer)
      }
      try writer.finish()
    }
    let path = "\(journal)/0000000000000002"
    var bytes = try JournalBox.read(path)
    bytes[17] ^= 1
    try JournalBox.write(bytes, to: path)
    let damaged = try Reading(JournalReader(folder: journal))
    damaged.check(against: model, from: .zero)
    #expect(damaged.gaps.count == 2 && damaged.gaps.allSatisfy { $0.reason == .damaged })
    #expect(damaged.last == .end)
    unlink(path)
    let missing = try Reading(JournalReader(folder: journal))
    missing.check(against: model, from: .zero)
    #expect(missing.gaps.count == 2 && missing.last == .end)
    // Readers that start after it, or at the last lines, do not notice.
    let late = try Reading(JournalReader(folder: journal, from: .offsets(model.totals)))
    #expect(late.gaps.isEmpty && late.last == .end)
    #expect(try Reading(JournalReader(folder: journal, from: .lines(10))).gaps.isEmpty)
  }
}
