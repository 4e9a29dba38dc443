internal import DequeModule
public import TelpherTransport
public import TelpherWire

/// One stream as a worker thread sees it: files are read and written by calls that wait, so the
/// thread that makes them talks to its peer by calls that wait too. The loop's side of it is a
/// `PortPump`.
///
/// What waits here is bounded on both ways: what came in by the credit that the peer had, what goes
/// out by `queuedReads` and what the worker queues between two waits. One worker thread uses a port at
/// a time.
public final class TransferPort: Sendable {
  /// Reads of one channel that wait for the connection before the worker waits, and those that are
  /// left when it goes on: enough that neither of the two stands still for the other, and that they
  /// need not wake each other for each. The size of a read falls as more memory is in use.
  static let queuedReads = (most: 4, least: 2)
  /// The part of a channel's window that the worker takes before the loop is told, which grants it to
  /// the peer anew: well below the half of a window that a grant is made for. Before the worker waits
  /// the loop is told of any.
  static let untoldPart: UInt64 = 8

  /// One way of one channel.
  struct Lane {
    private var chunks: Deque<Chunk> = []
    /// Bytes that wait.
    private(set) var count = 0
    /// Nothing comes behind them.
    var isFinished = false

    /// Appends a piece, to the last one where it lies behind that in memory: what came in many small
    /// reads is written by one call.
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

  /// The lanes of the two channels that files use.
  struct Lanes {
    private var file = Lane()
    private var index = Lane()

    subscript(channel: Channel) -> Lane {
      _read { if channel == .file { yield file } else { yield index } }
      _modify { if channel == .file { yield &file } else { yield &index } }
    }
  }

  /// What both sides share.
  struct State {
    var incoming = Lanes()
    var outgoing = Lanes()
    /// Words that came, and words that are to go.
    var words: [ControlMessage] = []
    var answers: [ControlMessage] = []
    /// Bytes that the worker took and the peer was not granted anew.
    var taken: [Channel: Int] = [:]
    /// The worker waits until less is queued.
    var isFull = false
    /// Nobody takes what is sent any more, and that is no fault.
    var isDeaf = false
    /// Why nothing goes any more.
    var end: FileError?
    /// The loop has been told that there is something to do.
    var isAnnounced = false

    /// What the loop is to do: words to send, and bytes to grant anew.
    mutating func look() -> (words: [ControlMessage], taken: [Channel: Int]) {
      defer { (answers, taken, isAnnounced) = ([], [:], false) }
      return (answers, taken)
    }

    /// The bytes that are queued, of the channel that has more.
    var queued: Int { max(outgoing[.file].count, outgoing[.index].count) }

    /// Whether the worker is to wait until some of it has gone, where a read is `size` bytes.
    mutating func hasNoRoom(_ size: Int = ReadBuffer.readSize) -> Bool {
      let reads = isFull ? TransferPort.queuedReads.least : TransferPort.queuedReads.most
      isFull = end == nil && !isDeaf && queued > reads * size
      return isFull
    }
  }

  let monitor = Monitor(State())
  /// Tells the loop's side that there is something to do; from any thread. Set before the worker
  /// starts.
  private let announce: @Sendable () -> Void
  /// Bytes that were taken and the loop is not told of.
  private let mostUntold: (file: Int, index: Int)

  /// A port for channels of which the peer has `windows` bytes of credit; `announce` is called, from
  /// any thread, when there is something for the loop's side to do, once until it has looked.
  init(
    windows: (file: UInt64, index: UInt64) = (
      WireConstants.defaultWindow, WireConstants.defaultWindow
    ),
    announce: @escaping @Sendable () -> Void
  ) {
    mostUntold = (
      Int(windows.file / Self.untoldPart), Int(windows.index / Self.untoldPart)
    )
    self.announce = announce
  }

  /// Words that may wait for the worker: a peer sends two at most.
  private static let maxWords = 16

  // MARK: The worker's side

  /// Queues a piece to be sent. It does not wait: `waitForRoom` does, behind whatever else must go
  /// first.
  public func enqueue(_ chunk: Chunk, on channel: Channel) {
    change { if !$0.isDeaf { $0.outgoing[channel].append(chunk) } }
  }

  /// Queues the end of a channel.
  public func finish(_ channel: Channel) {
    change { $0.outgoing[channel].isFinished = true }
  }

  /// Sends a word, ahead of what is queued.
  public func send(_ word: ControlMessage) {
    change { $0.answers.append(word) }
  }

  /// Waits until the connection has taken so much that more may be queued.
  ///
  /// - Throws: `FileError` (`canceled`, `lost`) once the stream is over.
  public func waitForRoom() throws(FileError) {
    if let end = waitForRoomOrEnd() { throw end }
  }

  /// The same for who is sent something meanwhile that must not wait: a piece of `channel` ends the
  /// waiting too.
  ///
  /// - Returns: whether there is room.
  /// - Throws: as `waitForRoom()`.
  func waitForRoom(orPieceOf channel: Channel) throws(FileError) -> Bool {
    let (hasRoom, end) = wait(orPieceOf: channel)
    if let end { throw end }
    return hasRoom
  }

  /// The same for who receives: what came before a connection was lost is still to be taken, so it
  /// is `receive` that tells of the end.
  ///
  /// - Returns: why the stream is over, if it is.
  @discardableResult
  func waitForRoomOrEnd() -> FileError? { wait(orPieceOf: nil).end }

  private func wait(orPieceOf channel: Channel?) -> (hasRoom: Bool, end: FileError?) {
    let (isFull, end) = monitor.withLock { ($0.hasNoRoom(), $0.end) }
    guard isFull else { return (true, end) }
    tellOfTaken()
    return monitor.wait(until: nil) { state in
      if let channel, state.incoming[channel].count > 0 { return false }
      return state.hasNoRoom()
    } then: { state in
      (!state.hasNoRoom(), state.end)
    }
  }

  /// The next piece that came, waited for; nil at the channel's end. What had come when the
  /// connection was lost is still given out: a later transfer goes on behind it.
  ///
  /// - Throws: `FileError` (`canceled`, `lost`) once the stream is over.
  public func receive(_ channel: Channel) throws(FileError) -> Chunk? {
    if let chunk = try poll(channel) { return chunk }
    tellOfTaken()
    let taken = monitor.wait(until: nil) { state in
      state.end == nil && state.incoming[channel].count == 0 && !state.incoming[channel].isFinished
    } then: { state in
      take(channel, &state)
    }
    return try chunk(of: taken)
  }

  /// The next piece, where one is there.
  ///
  /// - Throws: as `receive(_:)`.
  public func poll(_ channel: Channel) throws(FileError) -> Chunk? {
    try chunk(of: monitor.withLock { take(channel, &$0) })
  }

  /// The first word for which `pick` has an answer, waited for until `deadline` (on the monotonic
  /// clock, in nanoseconds); nil where none came.
  ///
  /// - Throws: as `receive(_:)`.
  public func word<Value>(until deadline: UInt64?, _ pick: (ControlMessage) -> Value?)
    throws(FileError) -> Value?
  {
    tellOfTaken()
    let (value, end): (Value?, FileError?) = monitor.wait(until: deadline) { state in
      state.end == nil && !state.words.contains { pick($0) != nil }
    } then: { state in
      (state.words.lazy.compactMap(pick).first, state.end)
    }
    if let end { throw end }
    return value
  }

  /// The first word for which `pick` has an answer, where one came, the stream being over or not.
  func polledWord<Value>(_ pick: (ControlMessage) -> Value?) -> Value? {
    monitor.withLock { $0.words.lazy.compactMap(pick).first }
  }

  /// What a look for the next piece came to.
  private struct Taken {
    var chunk: Chunk?
    var end: FileError?
    /// Whether the loop is to be told that bytes were taken.
    var isNew = false
  }

  private func take(_ channel: Channel, _ state: inout State) -> Taken {
    if let end = state.end, end.code != .lost { return Taken(end: end) }
    guard let chunk = state.incoming[channel].next() else {
      return Taken(end: state.incoming[channel].isFinished ? nil : state.end)
    }
    let taken = state.taken[channel, default: 0] + chunk.count
    state.taken[channel] = taken
    let most = channel == .file ? mostUntold.file : mostUntold.index
    let isNew = taken >= most && !state.isAnnounced
    if isNew { state.isAnnounced = true }
    return Taken(chunk: chunk, isNew: isNew)
  }

  private func chunk(of taken: Taken) throws(FileError) -> Chunk? {
    if let end = taken.end { throw end }
    if taken.isNew { announce() }
    return taken.chunk
  }

  /// Has the peer granted anew what the worker took: it may have to wait for that.
  private func tellOfTaken() {
    let isNew = monitor.withLock { state in
      guard !state.taken.isEmpty, !state.isAnnounced else { return false }
      state.isAnnounced = true
      return true
    }
    if isNew { announce() }
  }

  /// Changes something that the loop is to look at.
  private func change(_ body: (inout State) -> Void) {
    let isNew = monitor.withLock { state in
      body(&state)
      defer { state.isAnnounced = true }
      return !state.isAnnounced
    }
    if isNew { announce() }
  }

  // MARK: The loop's side

  /// A piece came.
  func deliver(_ chunk: Chunk, on channel: Channel) {
    monitor.withLock { $0.incoming[channel].append(chunk) }
    monitor.signal()
  }

  /// The peer has ended a channel.
  func deliverEnd(of channel: Channel) {
    monitor.withLock { $0.incoming[channel].isFinished = true }
    monitor.signal()
  }

  /// A word came.
  ///
  /// - Throws: `WireError` where there are too many.
  func deliver(_ word: ControlMessage) throws(WireError) {
    let isTooMuch = monitor.withLock { state in
      guard state.words.count < Self.maxWords else { return true }
      state.words.append(word)
      return false
    }
    guard !isTooMuch else {
      throw WireError(.limitReached, "more than \(Self.maxWords) CONTROLs for one file")
    }
    monitor.signal()
  }

  /// The peer needs no more: what is sent from now on is dropped, and nobody waits for it to go.
  func ignoreSends() {
    monitor.withLock { $0.isDeaf = true }
    monitor.signal()
  }

  /// The stream is over: the worker learns of it in its next call, or in the one that it waits in.
  public func end(_ error: FileError) {
    monitor.withLock { state in
      if state.end == nil { state.end = error }
    }
    monitor.signal()
  }
}
