internal import TelpherJournal
internal import TelpherTestSupport
internal import TelpherTransport
internal import Testing

@Suite struct JournalTailTests {
  @Test(arguments: 0..<40)
  func theLastLinesStartWhereAPlainCountSaysSo(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let box = try JournalBox()
    let journal = box.journal()
    let writer = try JournalWriter(
      folder: journal, name: JournalBox.name(1),
      settings: JournalSettings(bytes: JournalLimit.minimumBytes))
    var model = JournalModel()
    // Some lines are longer than a record, and some than a segment.
    let size = [50, 3000, 200_000].randomElement(using: &random) ?? 50
    for number in 0..<Int.random(in: 0...40, using: &random)
    where model.totals.output + model.totals.error < 400_000 {
      var bytes = [UInt8](
        repeating: UInt8(ascii: "a"), count: .random(in: 1...size, using: &random))
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        bytes[.random(in: 0..<bytes.count, using: &random)] = UInt8(ascii: "\n")
      }
      model.add(bytes, to: Bool.random(using: &random) ? .output : .error)
      append(model.pieces[number], to: writer)
    }
    for channels in [[.output], [.error], JournalChannel.allCases] {
      for count in [0, 1, 2, 3, 7, 1000] {
        let reader = try JournalReader(folder: journal, channels: channels, from: .lines(count))
        let expected = Self.startOfLast(count, in: model, channels)
        for channel in channels { #expect(reader.position[channel] == expected[channel]) }
        let reading = try Reading(reader)
        reading.check(against: model, from: expected, channels: channels)
      }
    }
  }

  /// Where the last lines start in what the model has, found by listing all ends of lines.
  private static func startOfLast(
    _ count: Int, in model: JournalModel, _ channels: [JournalChannel]
  ) -> JournalOffsets {
    var ends: [(channel: JournalChannel, offset: UInt64)] = []
    for piece in model.pieces where channels.contains(piece.channel) {
      let pieceEnd = piece.offset + UInt64(piece.bytes.count)
      for (place, byte) in piece.bytes.enumerated() where byte == UInt8(ascii: "\n") {
        ends.append((piece.channel, piece.offset + UInt64(place) + 1))
      }
      if pieceEnd == model.totals[piece.channel], piece.bytes.last != UInt8(ascii: "\n") {
        ends.append((piece.channel, pieceEnd))
      }
    }
    var start = JournalOffsets.zero
    for end in ends.dropLast(count) { start[end.channel] = end.offset }
    return start
  }

  @Test func theLastLinesOfAJournalThatDroppedItsBeginningAreThere() throws {
    let box = try JournalBox()
    let journal = box.journal()
    let writer = try JournalWriter(
      folder: journal, name: JournalBox.name(1),
      settings: JournalSettings(bytes: JournalLimit.minimumBytes))
    let line = String(repeating: "x", count: 99) + "\n"
    for _ in 0..<20_000 { append(line, to: writer) }
    let reader = try JournalReader(folder: journal, from: .lines(5000))
    #expect(reader.position.output == 15_000 * 100)
    let reading = try Reading(reader)
    #expect(reading.gaps.isEmpty && reading.received.reduce(0) { $0 + $1.bytes.count } == 500_000)
    // With more lines than there are, it starts at the first byte that is left.
    let all = try JournalReader(folder: journal, from: .lines(20_000))
    #expect(try JournalSummary.read(folder: journal).first == all.position)
  }

  @Test func aReaderOfWhatComesFromNowOnGetsNothingOlder() throws {
    let box = try JournalBox()
    let system = FailingSystem()
    let journal = box.journal()
    let writer = try JournalWriter(folder: journal, name: JournalBox.name(1), system: system)
    #expect(try next(JournalReader(folder: journal, from: .lines(0))) == .waiting)
    append("old", to: writer)
    system.fail(.write, 28)
    append("lost", to: writer)
    let reader = try JournalReader(folder: journal, from: .lines(0))
    #expect(try next(reader) == .waiting)
    append("new", to: writer)
    let reading = try Reading(reader)
    #expect(reading.received.map(\.bytes) == [Array("new".utf8)] && reading.gaps.isEmpty)
  }
}
