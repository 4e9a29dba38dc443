package import TelpherFileStore
package import TelpherTransport
package import TelpherWire

/// One stream as a worker thread uses it, with blocking calls to send and receive. (Calls that read
/// and write files block too, so they run on a worker thread.) The loop's side is a `PortPump`.
///
/// Both queues are bounded. The peer's credit limits the received data. `PortState.queuedReads`, and
/// what the worker queues between two waits, limit the data to send. One worker thread at a time
/// uses a port.
///
/// This type holds the lock, wakes the worker and notifies the loop; `PortState` decides.
package final class TransferPort: Sendable {
  let monitor: Monitor<PortState>
  /// Notifies the loop's side that it has work. Called from any thread.
  private let notifyLoop: @Sendable () -> Void

  /// A port for channels with windows of `windows` bytes. `notifyLoop` is called from any thread
  /// when the loop's side has work, and not again before the loop has looked.
  init(
    windows: (file: UInt64, index: UInt64) = (
      WireConstants.defaultWindow, WireConstants.defaultWindow
    ),
    notifyLoop: @escaping @Sendable () -> Void
  ) {
    monitor = Monitor(PortState(windows: windows))
    self.notifyLoop = notifyLoop
  }

  // MARK: The worker's side

  /// Queues a chunk to send, without waiting. Call `waitForRoom` after queuing what belongs
  /// together.
  package func enqueue(_ chunk: Chunk, on channel: Channel) {
    notifyingLoop { $0.enqueue(chunk, on: channel) }
  }

  /// Queues the end of a channel.
  package func finish(_ channel: Channel) {
    notifyingLoop { $0.finish(channel) }
  }

  /// Sends a control message, ahead of the queued data.
  package func send(_ message: ControlMessage) {
    notifyingLoop { $0.send(message) }
  }

  private func notifyingLoop(_ change: (inout PortState) -> Bool) {
    if monitor.withLock(change) { notifyLoop() }
  }

  /// Checks that the stream is not over.
  ///
  /// - Throws: `FileError` (`canceled`, `lost`) if it is.
  func checkOpen() throws(FileError) {
    if let end = monitor.withLock(\.end) { throw end }
  }

  /// Waits until the connection has taken enough queued data.
  ///
  /// - Throws: `FileError` (`canceled`, `lost`) once the stream is over.
  package func waitForRoom() throws(FileError) {
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
    let (mustWait, end) = monitor.withLock { ($0.mustWaitForRoom(), $0.end) }
    guard mustWait else { return (true, end) }
    notifyingLoop { $0.reportTakenBytes() }
    return monitor.wait(until: nil) { state in
      if let channel, state.unreadBytes(of: channel) > 0 { return false }
      return state.mustWaitForRoom()
    } then: { state in
      (!state.mustWaitForRoom(), state.end)
    }
  }

  /// Waits for the next received chunk, and returns at most `limit` bytes of it; nil at the channel's
  /// end. Data that arrived before a lost connection is returned first, so that a later transfer can
  /// resume after it.
  ///
  /// - Throws: `FileError` (`canceled`, `lost`) once the stream is over.
  package func receive(_ channel: Channel, atMost limit: Int = .max) throws(FileError) -> Chunk? {
    if let chunk = try poll(channel, atMost: limit) { return chunk }
    notifyingLoop { $0.reportTakenBytes() }
    let taken = monitor.wait(until: nil) { state in
      state.mustWait(for: channel)
    } then: { state in
      state.take(channel, atMost: limit)
    }
    return try chunk(of: taken)
  }

  /// Returns the next received chunk, or its first `limit` bytes, without waiting; nil if there is
  /// none.
  ///
  /// - Throws: as `receive(_:atMost:)`.
  package func poll(_ channel: Channel, atMost limit: Int = .max) throws(FileError) -> Chunk? {
    try chunk(of: monitor.withLock { $0.take(channel, atMost: limit) })
  }

  private func chunk(of taken: PortState.Taken) throws(FileError) -> Chunk? {
    switch taken {
    case .chunk(let chunk, let notifiesLoop):
      if notifiesLoop { notifyLoop() }
      return chunk
    case .nothing: return nil
    case .failed(let error): throw error
    }
  }

  /// Waits for a control message from which `pick` returns a value, and returns that value; nil if
  /// none came until `deadline` (nanoseconds of the monotonic clock; nil for no limit).
  ///
  /// - Throws: as `receive(_:atMost:)`.
  package func message<Value>(until deadline: UInt64?, _ pick: (ControlMessage) -> Value?)
    throws(FileError) -> Value?
  {
    notifyingLoop { $0.reportTakenBytes() }
    let (value, end): (Value?, FileError?) = monitor.wait(until: deadline) { state in
      state.end == nil && state.message(pick) == nil
    } then: { state in
      (state.message(pick), state.end)
    }
    if let end { throw end }
    return value
  }

  /// Whether the control message has arrived. It also works after the stream has ended.
  func hasReceived(_ message: ControlMessage) -> Bool {
    monitor.withLock { state in state.message { $0 == message ? true : nil } ?? false }
  }

  // MARK: The loop's side

  /// A chunk has arrived.
  func deliver(_ chunk: Chunk, on channel: Channel) {
    monitor.withLock { $0.deliver(chunk, on: channel) }
    monitor.signal()
  }

  /// The peer has ended a channel.
  func deliverEnd(of channel: Channel) {
    monitor.withLock { $0.deliverEnd(of: channel) }
    monitor.signal()
  }

  /// A CONTROL with these messages has arrived.
  ///
  /// - Throws: `WireError` (`limitReached`) if too many have arrived.
  func deliver(_ messages: [ControlMessage]) throws(WireError) {
    guard monitor.withLock({ $0.deliver(messages) }) else {
      throw WireError(
        .limitReached, "more than \(PortState.maxControls) CONTROL messages on one file stream")
    }
    monitor.signal()
  }

  /// The peer has closed the stream successfully: further sends are dropped, and the worker does not
  /// wait for room.
  func peerDidFinish() {
    monitor.withLock { $0.peerDidFinish() }
    monitor.signal()
  }

  /// Ends the stream early. The worker's current or next call throws `error`, except that chunks
  /// that have already arrived are still received if its code is `lost`.
  package func end(_ error: FileError) {
    monitor.withLock { $0.end(error) }
    monitor.signal()
  }

  /// Takes the worker's changes. Call it after `notifyLoop`, before `nextOutgoing`.
  func takeChanges() -> PortState.Changes { monitor.withLock { $0.takeChanges() } }

  /// Takes the next data to send on a channel, and wakes the worker if it now has room.
  func nextOutgoing(_ channel: Channel) -> PortState.Outgoing {
    let outgoing = monitor.withLock { $0.nextOutgoing(channel) }
    if case .chunk(_, wakesWorker: true) = outgoing { monitor.signal() }
    return outgoing
  }
}
