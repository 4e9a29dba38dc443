internal import TelpherJournal
internal import TelpherTransport
internal import TelpherWire

/// Some bytes of a job's output, or marks about it, for one channel of a stream.
struct JournalPiece: Sendable {
  let channel: Channel
  let chunk: Chunk
}

/// What one reading of a journal brings: up to 256 KiB.
struct JournalBatch: Sendable {
  /// What follows.
  enum End: Sendable {
    /// There is more.
    case more
    /// The journal may get more.
    case waiting
    /// The journal is complete, or its writer has died.
    case end
  }

  private(set) var pieces: [JournalPiece] = []
  private(set) var end = End.more

  /// The most bytes of output: a frame.
  private static let length = 256 << 10

  /// Reads the next pieces. Blocks.
  ///
  /// - Parameter withTimes: whether to mark the time of each piece.
  /// - Throws: `JournalError` if the journal can't be read.
  init(from reader: JournalReader, withTimes: Bool) throws(JournalError) {
    let storage = ChunkStorage(capacity: Self.length)
    var used = 0
    while used < Self.length {
      let room = UnsafeMutableRawBufferPointer(
        start: storage.memory + used, count: Self.length - used)
      switch try reader.next(into: room) {
      case .data(let channel, let offset, let count, let time):
        if withTimes {
          add(
            .time(
              JobMark.Time(
                channel: channel.rawValue, offset: offset, bytes: UInt64(count), timeNS: time)))
        }
        add(Chunk(storage: storage, range: used..<used + count), to: Channel(channel))
        used += count
      case .gap(let channel, let offset, let bytes, let reason):
        add(
          .gap(
            JobMark.Gap(
              channel: channel.rawValue, offset: offset, bytes: bytes, reason: reason.name)))
      case .waiting:
        end = .waiting
        return
      case .end, .cut:
        end = .end
        return
      }
      // Marks take memory too.
      if pieces.count >= Self.maxPieces { return }
    }
  }

  private static let maxPieces = 1_024

  private mutating func add(_ mark: JobMark) {
    pieces.append(JournalPiece(channel: .index, chunk: Chunk(mark.encodedLine())))
  }

  private mutating func add(_ chunk: Chunk, to channel: Channel) {
    if let last = pieces.last, last.channel == channel, let joined = last.chunk.joined(with: chunk)
    {
      pieces[pieces.count - 1] = JournalPiece(channel: channel, chunk: joined)
    } else {
      pieces.append(JournalPiece(channel: channel, chunk: chunk))
    }
  }
}

extension Channel {
  /// The channel of an output in a journal.
  init(_ channel: JournalChannel) { self = channel == .output ? .stdout : .stderr }
}

extension JournalGap {
  /// Its name on the wire.
  fileprivate var name: String {
    switch self {
    case .dropped: "dropped"
    case .notWritten: "not_written"
    case .discarded: "discarded"
    case .damaged: "damaged"
    }
  }
}
