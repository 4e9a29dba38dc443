internal import DequeModule
internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

/// What the worker and the loop of a `TransferPort` share: the queues in both directions, and what
/// each side must know of the other. It is a plain value; the port protects it with a lock, and does
/// what the results ask for outside the lock.
struct PortState {
  /// How far the stream has come.
  enum Phase {
    /// Data goes in both directions. Next: `peerFinished` or `ended`.
    case open
    /// The peer has closed the stream successfully. What arrived is still received, and what the
    /// worker sends is dropped. Next: `ended`.
    case peerFinished
    /// The stream has ended early for this reason. If its code is `lost`, what arrived before is
    /// still received. This is the last phase.
    case ended(FileError)
  }

  /// Whether the loop knows of the worker's last changes.
  enum Notice {
    /// The loop has seen all changes; the next one notifies it.
    case seen
    /// The loop was notified and has not looked yet.
    case pending
  }

  /// Whether the worker may queue more data.
  enum Room {
    /// It may.
    case free
    /// `most` reads were queued; it waits until `least` are left.
    case full
  }

  /// The result of taking received data.
  enum Taken {
    /// The next chunk. With `notifiesLoop`, the loop must be notified of the taken bytes.
    case chunk(Chunk, notifiesLoop: Bool)
    /// There is none, or the channel has ended.
    case nothing
    /// The stream is over.
    case failed(FileError)
  }

  /// The result of taking data to send.
  enum Outgoing {
    /// The next chunk. With `wakesWorker`, the worker waits and now has room.
    case chunk(Chunk, wakesWorker: Bool)
    /// All data was taken, and the worker has ended the channel.
    case finished
    /// There is none yet.
    case nothing
  }

  /// The worker's changes since the loop last looked.
  struct Changes {
    /// Control messages to send, ahead of the queued data.
    var messages: [ControlMessage] = []
    /// By channel, the bytes that the worker took, to be returned to the peer as credit.
    var takenBytes: [Channel: Int] = [:]
  }

  /// The worker waits for room while more than `most` reads of one channel are queued, and
  /// continues at `least`. So neither the worker nor the connection runs idle, and they do not wake
  /// each other for every read. A read has `ReadBuffer.readSize` bytes; the more memory is in use,
  /// the smaller it is.
  static let queuedReads = (most: 4, least: 2)
  /// The worker reports consumed bytes to the loop after each 1/8 of the channel's window, and
  /// before it waits. The loop returns them to the peer as credit. 1/8 is well below the half of a
  /// window at which the link sends credit.
  private static let unreportedPart: UInt64 = 8
  /// The most bytes that the worker takes before it reports them, however large the window is: a
  /// distant sender waits for them.
  private static let mostUnreported: UInt64 = 512 << 10
  /// The maximum number of CONTROLs for the worker. A well-behaved peer sends at most two.
  static let maxControls = 16

  private(set) var phase = Phase.open
  private(set) var room = Room.free
  private var notice = Notice.seen
  private var incoming = Lanes()
  private var outgoing = Lanes()
  private var messages: [ControlMessage] = []
  private var controls = 0
  private var changes = Changes()
  /// The bytes that the worker takes before it notifies the loop.
  private let reportThreshold: (file: Int, index: Int)

  /// The state of a new port for channels with windows of `windows` bytes.
  init(windows: (file: UInt64, index: UInt64)) {
    func threshold(_ window: UInt64) -> Int {
      Int(min(window / Self.unreportedPart, Self.mostUnreported))
    }
    reportThreshold = (threshold(windows.file), threshold(windows.index))
  }

  /// The reason that the stream ended early; nil if it has not.
  var end: FileError? {
    switch phase {
    case .open, .peerFinished: nil
    case .ended(let error): error
    }
  }

  // MARK: The worker's side

  // These return whether the loop must be notified.

  /// Queues a chunk to send.
  mutating func enqueue(_ chunk: Chunk, on channel: Channel) -> Bool {
    switch phase {
    case .peerFinished: break
    case .open, .ended: outgoing[channel].append(chunk)
    }
    return notify()
  }

  /// Queues the end of a channel.
  mutating func finish(_ channel: Channel) -> Bool {
    outgoing[channel].isFinished = true
    return notify()
  }

  /// Queues a control message.
  mutating func send(_ message: ControlMessage) -> Bool {
    changes.messages.append(message)
    return notify()
  }

  /// The worker is going to wait. The peer may need the credit for taken bytes to continue.
  mutating func reportTakenBytes() -> Bool { changes.takenBytes.isEmpty ? false : notify() }

  private mutating func notify() -> Bool {
    defer { notice = .pending }
    switch notice {
    case .seen: return true
    case .pending: return false
    }
  }

  /// Whether the worker must wait until some data has been sent. A read is `size` bytes.
  mutating func mustWaitForRoom(_ size: Int = ReadBuffer.readSize) -> Bool {
    guard case .open = phase else {
      room = .free
      return false
    }
    let reads =
      switch room {
      case .free: Self.queuedReads.most
      case .full: Self.queuedReads.least
      }
    room = queuedBytes > reads * size ? .full : .free
    return room == .full
  }

  /// The queued bytes to send, of the channel that has more.
  var queuedBytes: Int {
    max(outgoing[.file].count, outgoing[.index].count, outgoing[.stdout].count)
  }

  /// Whether the worker has ended the channel.
  func hasFinished(_ channel: Channel) -> Bool { outgoing[channel].isFinished }

  /// The received bytes of a channel that the worker has not taken.
  func unreadBytes(of channel: Channel) -> Int { incoming[channel].count }

  /// Whether the worker must wait for the next chunk of a channel.
  func mustWait(for channel: Channel) -> Bool {
    end == nil && incoming[channel].count == 0 && !incoming[channel].isFinished
  }

  /// Takes the next chunk of a channel, or its first `limit` bytes.
  mutating func take(_ channel: Channel, atMost limit: Int = .max) -> Taken {
    if let end, end.code != .lost { return .failed(end) }
    guard let chunk = incoming[channel].next(atMost: limit) else {
      if let end, !incoming[channel].isFinished { return .failed(end) }
      return .nothing
    }
    let taken = changes.takenBytes[channel, default: 0] + chunk.count
    changes.takenBytes[channel] = taken
    let threshold = channel == .file ? reportThreshold.file : reportThreshold.index
    return .chunk(chunk, notifiesLoop: taken >= threshold && notify())
  }

  /// The value of the first received control message for which `pick` has one.
  func message<Value>(_ pick: (ControlMessage) -> Value?) -> Value? {
    messages.lazy.compactMap(pick).first
  }

  // MARK: The loop's side

  /// A chunk has arrived.
  mutating func deliver(_ chunk: Chunk, on channel: Channel) { incoming[channel].append(chunk) }

  /// The peer has ended a channel.
  mutating func deliverEnd(of channel: Channel) { incoming[channel].isFinished = true }

  /// A CONTROL with these messages has arrived. Returns false if more than `maxControls` have.
  mutating func deliver(_ messages: [ControlMessage]) -> Bool {
    guard controls < Self.maxControls else { return false }
    controls += 1
    self.messages += messages
    return true
  }

  /// The peer has closed the stream successfully.
  mutating func peerDidFinish() {
    switch phase {
    case .open: phase = .peerFinished
    case .peerFinished, .ended: break
    }
  }

  /// The stream has ended early. Only the first reason counts.
  mutating func end(_ error: FileError) {
    switch phase {
    case .open, .peerFinished: phase = .ended(error)
    case .ended: break
    }
  }

  /// Takes the worker's changes.
  mutating func takeChanges() -> Changes {
    defer { (changes, notice) = (Changes(), .seen) }
    return changes
  }

  /// Takes the next data to send. A read is `size` bytes.
  mutating func nextOutgoing(
    _ channel: Channel, _ size: Int = ReadBuffer.readSize
  ) -> Outgoing {
    guard let chunk = outgoing[channel].next() else {
      return outgoing[channel].isFinished ? .finished : .nothing
    }
    return .chunk(chunk, wakesWorker: room == .full && !mustWaitForRoom(size))
  }
}

/// The queued data of one channel in one direction.
private struct Lane {
  private var chunks: Deque<Chunk> = []
  /// The number of queued bytes.
  private(set) var count = 0
  /// Whether no data follows the queued chunks.
  var isFinished = false

  /// Appends a chunk, or joins it to the last one if both are adjacent in memory. The data of many
  /// small reads is then written with one call.
  mutating func append(_ chunk: Chunk) {
    count += chunk.count
    if let joined = chunks.last?.joined(with: chunk) {
      chunks[chunks.count - 1] = joined
    } else {
      chunks.append(chunk)
    }
  }

  /// Removes and returns the first chunk, or its first `limit` bytes.
  mutating func next(atMost limit: Int = .max) -> Chunk? {
    guard let first = chunks.first else { return nil }
    let chunk = first.count <= limit ? chunks.removeFirst() : chunks[0].removePrefix(limit)
    count -= chunk.count
    return chunk
  }
}

/// The lanes of the file channel, the index channel, and the report of written paths (`stdout`).
private struct Lanes {
  private var file = Lane()
  private var index = Lane()
  private var report = Lane()

  subscript(channel: Channel) -> Lane {
    _read {
      switch channel {
      case .file: yield file
      case .index: yield index
      case .stdin, .stdout, .stderr, .terminal: yield report
      }
    }
    _modify {
      switch channel {
      case .file: yield &file
      case .index: yield &index
      case .stdin, .stdout, .stderr, .terminal: yield &report
      }
    }
  }
}
