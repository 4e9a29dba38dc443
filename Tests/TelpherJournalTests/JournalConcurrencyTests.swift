internal import Glibc
internal import Synchronization
internal import TelpherJournal
internal import TelpherTestSupport
internal import TelpherTransport
internal import Testing

@Suite struct JournalConcurrencyTests {
  /// What a following reader saw.
  private struct Followed {
    var data = JournalOffsets.zero
    var dropped = JournalOffsets.zero
    var problem: String?
  }

  @Test func readersFollowAWriterThatDropsSegments() throws {
    let box = try JournalBox()
    let journal = box.journal()
    let writer = try JournalWriter(
      folder: journal, name: JournalBox.name(1),
      settings: JournalSettings(bytes: JournalLimit.minimumBytes))
    let changed = Signal()
    let results = Mutex<[Followed]>([])
    var threads: [pthread_t] = []
    for number in 0..<4 {
      let reader = try JournalReader(
        folder: journal, channels: number == 3 ? [.error] : JournalChannel.allCases)
      var thread = pthread_t()
      let error = startJoinableThread(&thread) {
        // One of them is slow: it takes little at a time.
        let followed = Self.follow(reader, room: number == 2 ? 3000 : 65_536, changed)
        results.withLock { $0.append(followed) }
      }
      #expect(error == 0)
      threads.append(thread)
    }
    // 12 MiB. The byte at each offset is known.
    let pattern = Self.pattern(300_000)
    var random = SeededGenerator(seed: 8)
    var totals = JournalOffsets.zero
    while totals.output < 12 << 20 {
      let channel: JournalChannel = Int.random(in: 0..<4, using: &random) == 0 ? .error : .output
      let count = Int.random(in: 1...90_000, using: &random)
      pattern.withUnsafeBytes { pattern in
        let start = Int(totals[channel] % 251)
        let piece = UnsafeRawBufferPointer(rebasing: pattern[start..<start + count])
        #expect(writer.append(piece, to: channel) == .written)
      }
      totals[channel] += UInt64(count)
      changed.change()
    }
    try writer.finish()
    changed.change()
    for thread in threads { pthread_join(thread, nil) }
    results.withLock { results in
      #expect(results.count == 4)
      for followed in results {
        #expect(followed.problem == nil)
        #expect(followed.data.error + followed.dropped.error == totals.error)
        let output = followed.data.output + followed.dropped.output
        #expect(output == totals.output || output == 0)
      }
    }
  }

  private static func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 251) } }

  /// Reads until the end and checks each byte.
  private static func follow(_ reader: JournalReader, room: Int, _ changed: Signal) -> Followed {
    let pattern = pattern(66_000)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 16)
    defer { memory.deallocate() }
    var followed = Followed()
    while true {
      let changes = changed.changes
      do throws(JournalError) {
        switch try reader.next(into: memory) {
        case .data(let channel, let offset, let count, _):
          let isRight = pattern.withUnsafeBytes { pattern in
            guard let expected = pattern.baseAddress, let bytes = memory.baseAddress else {
              return false
            }
            return memcmp(expected + Int(offset % 251), bytes, count) == 0
          }
          if !isRight { followed.problem = "wrong bytes at \(offset)" }
          followed.data[channel] += UInt64(count)
        case .gap(let channel, _, let bytes, let reason):
          if reason != .dropped { followed.problem = "a gap: \(reason)" }
          followed.dropped[channel] += bytes
        case .waiting: changed.wait(after: changes)
        case .end: return followed
        case .cut:
          followed.problem = "the writer is not gone"
          return followed
        }
      } catch {
        followed.problem = error.message
        return followed
      }
    }
  }

  @Test func aReaderKeepsTheSegmentThatItReads() throws {
    let box = try JournalBox()
    let journal = box.journal()
    let writer = try JournalWriter(
      folder: journal, name: JournalBox.name(1),
      settings: JournalSettings(bytes: JournalLimit.minimumBytes))
    var model = JournalModel()
    var random = SeededGenerator(seed: 4)
    func add(_ pieces: Int) {
      for _ in 0..<pieces {
        model.add(40_000, to: .output, &random)
        append(model.pieces[model.pieces.count - 1], to: writer)
      }
    }
    add(4)
    let reader = try JournalReader(folder: journal)
    guard case .data(.output, 0, 40_000, _) = try next(reader) else {
      Issue.record("the first piece is there")
      return
    }
    add(100)
    let reading = try Reading(reader)
    reading.check(against: model, from: JournalOffsets(output: 40_000, error: 0))
    // The rest of the first segment is there, and then comes one gap.
    #expect(reading.received.first?.offset == 40_000)
    #expect(reading.gaps.map(\.reason) == [.dropped])
  }

  @Test func aWriterThatIsGoneIsNoticed() throws {
    let box = try JournalBox()
    let journal = box.journal()
    var writer: JournalWriter? = try JournalWriter(folder: journal, name: JournalBox.name(1))
    append("text", to: try #require(writer))
    let reader = try JournalReader(folder: journal)
    #expect(try Reading(reader).last == .waiting)
    #expect(try JournalSummary.read(folder: journal).end == .open)
    writer = nil
    #expect(try next(reader) == .cut(isDamaged: false))
    #expect(try next(reader) == .cut(isDamaged: false))
    #expect(try JournalSummary.read(folder: journal).end == .cut)
    #expect(try JournalSummary.read(folder: journal).totals.output == 4)
  }
}
