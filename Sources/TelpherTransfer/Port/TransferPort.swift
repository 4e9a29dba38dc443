internal import DequeModule
public import TelpherFileStore
public import TelpherTransport
public import TelpherWire

/// One stream as a worker thread uses it, with blocking calls to send and receive. (Calls that read
/// and write files block too, so they run on a worker thread.) The loop's side is a `PortPump`.
///
/// Both queues are bounded. The peer's credit limits the received data. `queuedReads`, and what the
/// worker queues between two waits, limit the data to send. One worker thread at a time uses a
/// port.
public final class TransferPort: Sendable {
  /// The worker waits for room while more than `most` reads of one channel are queued, and
  /// continues at `least`. So neither the worker nor the connection runs idle, and they do not wake
  /// each other for every read. A read is `ReadBuffer.readSize` bytes, which falls as more memory
  /// is in use.
  static let queuedReads = (most: 4, least: 2)
  /// The worker reports consumed bytes to the loop after each 1/8 of the channel's window, and
  /// before it waits. The loop returns them to the peer as credit. 1/8 is well below the half of a
  /// window at which the link sends credit.
  static let unreportedPart: UInt64 = 8

  /// The queued data of one channel in one direction.
  struct Lane {
    private var chunks: Deque<Chunk> = []
    /// The number of queued bytes.
    private(set) var count = 0
    /// Whether no data follows the queued chunks.
    var isFinished = false

    /// Appends a chunk, or joins it to the last one if both are adjacent in memory. The data of
    /// many small reads is then written with one call.
    mutating func append(_ chunk: Chunk) {
      count += chunk.count
      if let joined = chunks.last?.joined(with: chunk) {
        chunks[chunks.count - 1] = joined
      } else {
        chunks.append(chunk)
      }
    }

    mutating func next() -> Chunk? {
      guard let chunk = chunks.popFirst() else { return nil }
      count -= chunk.count
      return chunk
    }
  }

  /// The lanes of the file channel and the index channel.
  struct Lanes {
    private var file = Lane()
    private var index = Lane()

    subscript(channel: Channel) -> Lane {
      _read { if channel == .file { yield file } else { yield index } }
      _modify { if channel == .file { yield &file } else { yield &index } }
    }
  }

  /// The state that the worker and the loop share.
  struct State {
    var incoming = Lanes()
    var outgoing = Lanes()
    /// Received control messages.
    var messages: [ControlMessage] = []
    /// The number of CONTROLs that brought them.
    var controls = 0
    /// Control messages to send.
    var outgoingMessages: [ControlMessage] = []
    /// Bytes that the worker took and that were not yet returned to the peer as credit.
    var taken: [Channel: Int] = [:]
    /// Whether the worker waits until less is queued.
    var isFull = false
    /// Whether data to send is dropped without an error, because the peer has finished.
    var discardsSends = false
    /// The reason that the stream ended early.
    var end: FileError?
    /// Whether the loop was notified and has not looked yet.
    var isAnnounced = false

    /// Takes the loop's work: control messages to send, and bytes to return as credit.
    mutating func look() -> (messages: [ControlMessage], taken: [Channel: Int]) {
      defer { (outgoingMessages, taken, isAnnounced) = ([], [:], false) }
      return (outgoingMessages, taken)
    }

    /// The queued bytes to send, of the channel that has more.
    var queued: Int { max(outgoing[.file].count, outgoing[.index].count) }

    /// Whether the worker must wait until some data has been sent. A read is `size` bytes.
    mutating func hasNoRoom(_ size: Int = ReadBuffer.readSize) -> Bool {
      let reads = isFull ? TransferPort.queuedReads.least : TransferPort.queuedReads.most
      isFull = end == nil && !discardsSends && queued > reads * size
      return isFull
    }
  }

  let monitor = Monitor(State())
  /// Notifies the loop's side that it has work. Called from any thread.
  private let announce: @Sendable () -> Void
  /// The bytes that the worker takes before it notifies the loop.
  private let reportThreshold: (file: Int, index: Int)

  /// A port for channels with windows of `windows` bytes. `announce` is called from any thread when
  /// the loop's side has work, and not again before the loop has looked.
  init(
    windows: (file: UInt64, index: UInt64) = (
      WireConstants.defaultWindow, WireConstants.defaultWindow
    ),
    announce: @escaping @Sendable () -> Void
  ) {
    reportThreshold = (
      Int(windows.file / Self.unreportedPart), Int(windows.index / Self.unreportedPart)
    )
    self.announce = announce
  }

  /// The maximum number of CONTROLs for the worker. A well-behaved peer sends at most two.
  private static let maxControls = 16

  // MARK: The worker's side

  /// Queues a chunk to send, without waiting. Call `waitForRoom` after queuing what belongs
  /// together.
  public func enqueue(_ chunk: Chunk, on channel: Channel) {
    change { if !$0.discardsSends { $0.outgoing[channel].append(chunk) } }
  }

  /// Queues the end of a channel.
  public func finish(_ channel: Channel) {
    change { $0.outgoing[channel].isFinished = true }
  }

  /// Sends a control message, ahead of the queued data.
  public func send(_ message: ControlMessage) {
    change { $0.outgoingMessages.append(message) }
  }

  /// Waits until the connection has taken enough queued data.
  ///
  /// - Throws: `FileError` (`canceled`, `lost`) once the stream is over.
  public func waitForRoom() throws(FileError) {
    if let end = waitForRoomOrEnd() { throw end }
  }

  /// As `waitForRoom()`, but also returns when data of `channel` arrives, so that the worker can
  /// handle it first.
  ///
  /// - Returns: whether there is room.
  /// - Throws: as `waitForRoom()`.
  func waitForRoom(orPieceOf channel: Channel) throws(FileError) -> Bool {
    let (hasRoom, end) = wait(orPieceOf: channel)
    if let end { throw end }
    return hasRoom
  }

  /// As `waitForRoom()`, but does not throw. A receiver uses it to take the data that arrived
  /// before a connection was lost; `receive` throws after that data.
  ///
  /// - Returns: the reason that the stream is over; nil if it is not.
  @discardableResult
  func waitForRoomOrEnd() -> FileError? { wait(orPieceOf: nil).end }

  private func wait(orPieceOf channel: Channel?) -> (hasRoom: Bool, end: FileError?) {
    let (isFull, end) = monitor.withLock { ($0.hasNoRoom(), $0.end) }
    guard isFull else { return (true, end) }
    announceTaken()
    return monitor.wait(until: nil) { state in
      if let channel, state.incoming[channel].count > 0 { return false }
      return state.hasNoRoom()
    } then: { state in
      (!state.hasNoRoom(), state.end)
    }
  }

  /// Waits for the next received chunk; nil at the channel's end. Data that arrived before a lost
  /// connection is returned first, so that a later transfer can resume after it.
  ///
  /// - Throws: `FileError` (`canceled`, `lost`) once the stream is over.
  public func receive(_ channel: Channel) throws(FileError) -> Chunk? {
    if let chunk = try poll(channel) { return chunk }
    announceTaken()
    let taken = monitor.wait(until: nil) { state in
      state.end == nil && state.incoming[channel].count == 0 && !state.incoming[channel].isFinished
    } then: { state in
      take(channel, &state)
    }
    return try chunk(of: taken)
  }

  /// Returns the next received chunk without waiting; nil if there is none.
  ///
  /// - Throws: as `receive(_:)`.
  public func poll(_ channel: Channel) throws(FileError) -> Chunk? {
    try chunk(of: monitor.withLock { take(channel, &$0) })
  }

  /// Waits for a control message from which `pick` returns a value, and returns that value; nil if
  /// none came until `deadline` (nanoseconds of the monotonic clock; nil for no limit).
  ///
  /// - Throws: as `receive(_:)`.
  public func message<Value>(until deadline: UInt64?, _ pick: (ControlMessage) -> Value?)
    throws(FileError) -> Value?
  {
    announceTaken()
    let (value, end): (Value?, FileError?) = monitor.wait(until: deadline) { state in
      state.end == nil && !state.messages.contains { pick($0) != nil }
    } then: { state in
      (state.messages.lazy.compactMap(pick).first, state.end)
    }
    if let end { throw end }
    return value
  }

  /// Whether the control message has arrived. It also works after the stream has ended.
  func hasReceived(_ message: ControlMessage) -> Bool {
    monitor.withLock { $0.messages.contains(message) }
  }

  /// The result of taking the next chunk.
  private struct Taken {
    var chunk: Chunk?
    var end: FileError?
    /// Whether the loop must be notified of taken bytes.
    var isNew = false
  }

  private func take(_ channel: Channel, _ state: inout State) -> Taken {
    if let end = state.end, end.code != .lost { return Taken(end: end) }
    guard let chunk = state.incoming[channel].next() else {
      return Taken(end: state.incoming[channel].isFinished ? nil : state.end)
    }
    let taken = state.taken[channel, default: 0] + chunk.count
    state.taken[channel] = taken
    let threshold = channel == .file ? reportThreshold.file : reportThreshold.index
    let isNew = taken >= threshold && !state.isAnnounced
    if isNew { state.isAnnounced = true }
    return Taken(chunk: chunk, isNew: isNew)
  }

  private func chunk(of taken: Taken) throws(FileError) -> Chunk? {
    if let end = taken.end { throw end }
    if taken.isNew { announce() }
    return taken.chunk
  }

  /// Notifies the loop of taken bytes before the worker waits: the peer may need the credit to
  /// continue.
  private func announceTaken() {
    let isNew = monitor.withLock { state in
      guard !state.taken.isEmpty, !state.isAnnounced else { return false }
      state.isAnnounced = true
      return true
    }
    if isNew { announce() }
  }

  /// Changes the state and notifies the loop.
  private func change(_ body: (inout State) -> Void) {
    let isNew = monitor.withLock { state in
      body(&state)
      defer { state.isAnnounced = true }
      return !state.isAnnounced
    }
    if isNew { announce() }
  }

  // MARK: The loop's side

  /// A chunk has arrived.
  func deliver(_ chunk: Chunk, on channel: Channel) {
    monitor.withLock { $0.incoming[channel].append(chunk) }
    monitor.signal()
  }

  /// The peer has ended a channel.
  func deliverEnd(of channel: Channel) {
    monitor.withLock { $0.incoming[channel].isFinished = true }
    monitor.signal()
  }

  /// A CONTROL with these messages has arrived.
  ///
  /// - Throws: `WireError` (`limitReached`) if more than `maxControls` have arrived.
  func deliver(_ messages: [ControlMessage]) throws(WireError) {
    let isTooMuch = monitor.withLock { state in
      guard state.controls < Self.maxControls else { return true }
      state.controls += 1
      state.messages += messages
      return false
    }
    guard !isTooMuch else {
      throw WireError(
        .limitReached, "more than \(Self.maxControls) CONTROL messages on one file stream")
    }
    monitor.signal()
  }

  /// The peer needs no more data: further sends are dropped, and the worker does not wait for room.
  func discardSends() {
    monitor.withLock { $0.discardsSends = true }
    monitor.signal()
  }

  /// Ends the stream early. The worker's current or next call throws `error`, except that chunks
  /// that have already arrived are still received if its code is `lost`.
  public func end(_ error: FileError) {
    monitor.withLock { state in
      if state.end == nil { state.end = error }
    }
    monitor.signal()
  }
}
