internal import Glibc
internal import TelpherJournal
internal import TelpherTestSupport
internal import Testing

/// What a job has written, in memory.
struct JournalModel {
  /// A piece that was appended.
  struct Piece {
    var channel: JournalChannel
    var offset: UInt64
    var bytes: [UInt8]
    var time: Int64
  }

  private(set) var pieces: [Piece] = []
  private(set) var output: [UInt8] = []
  private(set) var error: [UInt8] = []

  subscript(channel: JournalChannel) -> [UInt8] { channel == .output ? output : error }

  var totals: JournalOffsets {
    JournalOffsets(output: UInt64(output.count), error: UInt64(error.count))
  }

  /// Adds random bytes, with an end of a line about every 40 bytes.
  mutating func add(_ count: Int, to channel: JournalChannel, _ random: inout SeededGenerator) {
    var words: [UInt64] = []
    while words.count * 8 < count { words.append(random.next()) }
    var bytes = words.withUnsafeBytes { Array($0.prefix(count)) }
    var place = 0
    while place < count {
      bytes[place] = UInt8(ascii: "\n")
      place += 40
    }
    add(bytes, to: channel)
  }

  mutating func add(_ bytes: [UInt8], to channel: JournalChannel) {
    let offset = totals[channel]
    pieces.append(
      Piece(channel: channel, offset: offset, bytes: bytes, time: Int64(pieces.count) * 10 + 1))
    switch channel {
    case .output: output += bytes
    case .error: error += bytes
    }
  }
}

/// Appends the model's last piece.
@discardableResult
func append(_ piece: JournalModel.Piece, to writer: JournalWriter) -> JournalAppend {
  piece.bytes.withUnsafeBytes { writer.append($0, to: piece.channel, time: piece.time) }
}

/// What a reader got until it had to wait or reached the end.
struct Reading {
  var gaps: [(channel: JournalChannel, range: Range<UInt64>, reason: JournalGap)] = []
  var received: [(channel: JournalChannel, offset: UInt64, bytes: [UInt8], time: Int64)] = []
  var last: JournalEvent = .waiting

  init() {}

  /// Reads everything that is there, in pieces of at most `room` bytes.
  init(_ reader: JournalReader, room: Int = JournalLimit.recordBytes) throws(JournalError) {
    try read(reader, room: room)
  }

  /// Reads on until the reader has to wait or is at the end.
  mutating func read(_ reader: JournalReader, room: Int) throws(JournalError) {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 1)
    defer { memory.deallocate() }
    while true {
      let event = try reader.next(into: memory)
      switch event {
      case .data(let channel, let offset, let count, let time):
        received.append((channel, offset, Array(memory.prefix(count)), time))
      case .gap(let channel, let offset, let bytes, let reason):
        gaps.append((channel, offset..<offset + bytes, reason))
      case .waiting, .end, .cut:
        last = event
        return
      }
    }
  }

  /// Checks that data and gaps together are exactly what the model has from `start` on, that all
  /// data is right, and that it comes in the order in which it was appended.
  func check(
    against model: JournalModel, from start: JournalOffsets, to end: JournalOffsets? = nil,
    channels: [JournalChannel] = JournalChannel.allCases,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let end = end ?? model.totals
    for channel in channels {
      var ranges = gaps.filter { $0.channel == channel }.map(\.range)
      for part in received where part.channel == channel {
        ranges.append(part.offset..<part.offset + UInt64(part.bytes.count))
        let isRight = Self.contains(model[channel], part.bytes, at: Int(part.offset))
        #expect(isRight, "wrong bytes at \(part.offset)", sourceLocation: sourceLocation)
      }
      var place = start[channel]
      for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
        #expect(range.lowerBound == place && !range.isEmpty, sourceLocation: sourceLocation)
        place = range.upperBound
      }
      #expect(place == max(end[channel], start[channel]), sourceLocation: sourceLocation)
    }
    #expect(received.allSatisfy { channels.contains($0.channel) }, sourceLocation: sourceLocation)
    let times = received.map(\.time)
    #expect(times == times.sorted(), "the order of appending", sourceLocation: sourceLocation)
    for part in received {
      // Pieces have the times 1, 11, 21, ...
      let piece = model.pieces[Int(part.time - 1) / 10]
      let range = piece.offset..<piece.offset + UInt64(piece.bytes.count)
      #expect(
        piece.channel == part.channel && range.contains(part.offset),
        sourceLocation: sourceLocation)
    }
  }

  private static func contains(_ all: [UInt8], _ part: [UInt8], at offset: Int) -> Bool {
    guard part.count <= all.count - offset else { return false }
    return all.withUnsafeBytes { all in
      part.withUnsafeBytes { part in
        guard let start = all.baseAddress, let bytes = part.baseAddress else { return false }
        return memcmp(start + offset, bytes, part.count) == 0
      }
    }
  }

  /// The bytes of all gaps of a channel with this reason.
  func missing(_ channel: JournalChannel, _ reason: JournalGap) -> UInt64 {
    gaps.filter { $0.channel == channel && $0.reason == reason }
      .reduce(0) { $0 + UInt64($1.range.count) }
  }
}

/// Appends text to standard output.
@discardableResult
func append(_ text: String, to writer: JournalWriter) -> JournalAppend {
  Array(text.utf8).withUnsafeBytes { writer.append($0, to: .output) }
}

/// The reader's next event.
func next(_ reader: JournalReader) throws -> JournalEvent {
  var memory = [UInt8](repeating: 0, count: JournalLimit.recordBytes)
  return try memory.withUnsafeMutableBytes { try reader.next(into: $0) }
}
