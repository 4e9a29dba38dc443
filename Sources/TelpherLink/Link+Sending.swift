internal import DequeModule
internal import TelpherTransport
public import TelpherWire

extension Link {
  /// Sends this side's preface and HELLO. A server's, once it knows who the peer is.
  public func announce() {
    guard isOpen, !hasAnnounced else { return }
    hasAnnounced = true
    session.announce()
    scheduleFlush()
  }

  /// Opens a stream. Client only.
  ///
  /// - Throws: `WireError` where no stream can be opened now.
  public func open(_ request: [UInt8], noInput: Bool) throws(WireError) -> StreamID {
    guard isOpen else { throw WireError(.shuttingDown, "the connection has ended") }
    let stream = try session.open(request, noInput: noInput)
    scheduleFlush()
    return stream
  }

  /// The sending side of a channel of an open stream. At most one for each.
  public func outbound(_ stream: StreamID, _ channel: Channel) -> OutboundChannel {
    let outbound = OutboundChannel(link: self, stream: stream, channel: channel)
    channels[stream, default: []].append(outbound)
    return outbound
  }

  /// Lets the peer have `size` bytes under way on one channel of an open stream from now on, or the
  /// connection's window divided by `part` where that is less; never less than it has.
  ///
  /// - Returns: the bytes that it may have under way; 0 where the stream is not open.
  @discardableResult
  public func growWindow(
    of stream: StreamID, _ channel: Channel, to size: UInt64, part: UInt64
  ) -> UInt64 {
    session.growWindow(of: stream, channel, to: size, part: part)
    return window(of: stream, channel)
  }

  /// The bytes that the peer may have under way on a channel of an open stream; 0 of another.
  public func window(of stream: StreamID, _ channel: Channel) -> UInt64 {
    session.window(of: stream, channel)
  }

  /// Counts bytes that the consumer took, so that the peer may send more.
  public func consume(_ stream: StreamID, _ channel: Channel, _ count: Int) {
    guard isOpen, count > 0 else { return }
    session.consume(stream, channel, count)
    scheduleFlush()
  }

  /// Gives up the bytes of a closed stream that will never be consumed.
  public func abandon(_ stream: StreamID) {
    guard isOpen else { return }
    session.abandon(stream)
    scheduleFlush()
  }

  /// Sends a CONTROL, ahead of waiting DATA.
  public func control(_ stream: StreamID, _ message: ControlMessage) {
    guard isOpen else { return }
    session.control(stream, message)
    scheduleFlush()
  }

  /// Ends a stream with its result. Server only.
  public func close(_ stream: StreamID, _ result: CloseResult) {
    guard isOpen else { return }
    forget(stream)
    session.close(stream, result)
    scheduleFlush()
  }

  /// Ends a stream abruptly.
  public func reset(_ stream: StreamID, _ code: ErrorCode, reason: String) {
    guard isOpen else { return }
    forget(stream)
    session.reset(stream, code, reason: reason)
    scheduleFlush()
  }

  /// Sends a PING; its answer comes as `link(_:didReceivePong:)` with the same number, not 0.
  public func ping(_ number: UInt64) {
    guard isOpen else { return }
    session.ping(number)
    scheduleFlush()
  }

  /// Asks for a sign of life: a PING, whose answer counts as heard and is not told.
  public func ask() { ping(0) }

  /// Says that no new streams will be taken; those that are open go on.
  public func goAway(_ code: ErrorCode, reason: String) {
    guard isOpen, !session.isGoingAway else { return }
    session.goAway(code, reason: reason)
    scheduleFlush()
  }

  /// All callbacks of this turn have run: what they gathered goes out in one write.
  public func turnDidEnd() {
    isFlushScheduled = false
    guard isOpen, !isBlocked else { return }
    writeOutput()
    takeTurns()
    if !isBlocked { writeOutput() }
  }

  func scheduleFlush() {
    guard !isFlushScheduled, isOpen else { return }
    if hasWriteFailed { return session.output.removeAll() }
    if isBlocked {
      // It all waits; so does the peer, if it asks for more than it takes.
      if session.output.count > configuration.maxQueuedAnswers && !isReadingPaused {
        isReadingPaused = true
        stream.pauseReading()
      }
      return
    }
    isFlushScheduled = true
    loop.atEndOfTurn(self)
  }

  /// Writes what was gathered, and `chunk` behind it.
  func writeOutput(with chunk: Chunk? = nil) {
    guard !session.output.isEmpty else { return }
    let isWritten = session.output.withUnsafeBytes { stream.write($0, chunk) }
    session.output.removeAll(keepingCapacity: session.output.capacity <= Self.keptOutput)
    if !isWritten { isBlocked = true }
  }

  /// The capacity of the output buffer that is worth keeping between turns; an idle connection
  /// holds no more.
  static var keptOutput: Int { 4_096 }

  func didBecomeWritable() {
    isBlocked = false
    guard isOpen else {
      finishWriting()
      if case .ending(let reason) = state, hasPeerEnded { end(reason) }
      return
    }
    if isReadingPaused {
      isReadingPaused = false
      // Nobody listened meanwhile.
      lastReceived = loop.now
      stream.resumeReading()
    }
    writeOutput()
    takeTurns()
    scheduleFlush()
  }

  /// Ends the writing side behind what was gathered, once it can be written. While ending only.
  func finishWriting() {
    guard !isBlocked, !hasFinishedWriting else { return }
    hasFinishedWriting = true
    writeOutput()
    stream.finishWriting()
  }

  // MARK: Taking turns

  /// Sends what a channel has, or lets it wait for its turn, or for credit.
  func submit(_ outbound: OutboundChannel) {
    guard isOpen, !outbound.isQueued, outbound.hasWork else { return }
    if !isBlocked && queue.isEmpty { sendTurn(of: outbound) }
    enqueueIfNeeded(outbound)
    scheduleFlush()
  }

  /// Lets a channel wait for its turn if it can use one: to send, or to wake its producer. One
  /// without credit is taken up when credit comes.
  func enqueueIfNeeded(_ outbound: OutboundChannel) {
    let isUseful = outbound.hasWork ? canSend(outbound) : outbound.isAwaited && isBlocked
    guard isUseful, !outbound.isQueued else { return }
    outbound.isQueued = true
    queue.append(outbound)
  }

  private func canSend(_ outbound: OutboundChannel) -> Bool {
    guard outbound.hasWork else { return false }
    return outbound.pending == nil || session.sendable(outbound.stream, outbound.channel) > 0
  }

  /// Lets the waiting channels send, a quantum each, until the connection takes no more.
  private func takeTurns() {
    while isOpen, !isBlocked, let outbound = queue.popFirst() {
      outbound.isQueued = false
      sendTurn(of: outbound)
      enqueueIfNeeded(outbound)
      outbound.wake()
    }
  }

  /// Sends at most a quantum of a channel (all it may, if nobody else waits).
  private func sendTurn(of outbound: OutboundChannel) {
    var room = queue.isEmpty ? Int.max : configuration.quantum
    while outbound.hasWork, !isBlocked, room > 0 {
      let waiting = outbound.pending?.count ?? 0
      let count = min(waiting, room, session.sendable(outbound.stream, outbound.channel))
      guard count > 0 || waiting == 0 else { return }
      let (chunk, fin) = outbound.take(count)
      session.data(outbound.stream, outbound.channel, count: count, fin: fin)
      room -= count
      guard let chunk else { continue }
      if count <= configuration.gatherUpTo {
        chunk.withUnsafeBytes { session.output.append(contentsOf: $0) }
      } else {
        writeOutput(with: chunk)
      }
    }
  }

  /// Takes up a channel again that may have got credit.
  func resume(_ outbound: OutboundChannel) {
    submit(outbound)
    outbound.wake()
    // Credit that comes while the connection is blocked is used once it is not.
    enqueueIfNeeded(outbound)
  }

  func didReceiveCredit(_ stream: StreamID, _ channel: Channel?) {
    if let channel {
      if let outbound = channels[stream]?.first(where: { $0.channel == channel }) {
        resume(outbound)
      }
    } else {
      // Once for all the credit that one read brings: a peer that grants byte by byte must not keep
      // the loop busy with a round through all streams each time.
      hasNewCredit = true
    }
  }

  /// Gives the connection's new credit to who waits, beginning behind the one that was first last
  /// time: one who can use up all of it must not starve the others.
  func useNewCredit() {
    guard hasNewCredit, isOpen else { return }
    hasNewCredit = false
    let waiting = channels.filter { $0.value.contains { $0.hasWork || $0.isAwaited } }.keys.sorted()
    guard !waiting.isEmpty else { return }
    let first = waiting.firstIndex { $0 > lastResumed } ?? 0
    lastResumed = waiting[first]
    for stream in waiting[first...] + waiting[..<first] {
      channels[stream]?.forEach { enqueueIfNeeded($0) }
    }
    takeTurns()
    for stream in waiting[first...] + waiting[..<first] {
      channels[stream]?.forEach { resume($0) }
    }
    scheduleFlush()
  }

  func forget(_ stream: StreamID) {
    channels.removeValue(forKey: stream)?.forEach { $0.cancel() }
  }
}
