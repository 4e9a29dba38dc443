extension Session {
  /// Opens a stream with an OPEN. Client only.
  ///
  /// - Throws: `WireError` where no stream can be opened now: the peer's limit is reached, the peer
  ///   goes away, or the numbers are used up.
  public mutating func open(_ request: [UInt8], noInput: Bool) throws(WireError) -> StreamID {
    precondition(role == .client, "only clients open streams")
    guard !isGoingAway else {
      throw WireError(.shuttingDown, "the server is ending and takes no new commands")
    }
    let limit = peerHello?.maxStreams ?? WireConstants.defaultMaxStreams
    guard streams.count < Int(limit) else {
      throw WireError(
        .limitReached, "\(limit) streams are open on this connection, which is the server's limit")
    }
    guard lastOpened < StreamID.max - 2 else {
      throw WireError(.limitReached, "all stream numbers of this connection are used: reconnect")
    }
    let stream = lastOpened == 0 ? 1 : lastOpened + 2
    lastOpened = stream
    streams[stream] = newStream(noInput: noInput)
    append(.open, stream: stream, flags: noInput ? FrameFlags.noInput : 0, request)
    return stream
  }

  /// How many bytes may go on a channel now: bounded by its credit, the connection's, and the
  /// peer's longest frame. 0 on a stream or channel that has ended, and before the peer's HELLO.
  public func sendable(_ stream: StreamID, _ channel: Channel) -> Int {
    guard isGreeted, let state = streams[stream], !state[channel].sendFinished else {
      return 0
    }
    return Int(min(state[channel].send.credit, connectionSend.credit, peerMaxFrame))
  }

  /// The credit of one channel by itself, whatever the connection has.
  public func channelCredit(_ stream: StreamID, _ channel: Channel) -> UInt64 {
    streams[stream]?[channel].send.credit ?? 0
  }

  /// Appends the header of a DATA frame of `count` bytes, at most `sendable`; the payload is to
  /// follow it directly.
  public mutating func data(_ stream: StreamID, _ channel: Channel, count: Int, fin: Bool) {
    guard let state = streams[stream], !state[channel].sendFinished else {
      preconditionFailure("bytes go only on open channels")
    }
    state[channel].send.didSend(UInt64(count))
    state.bytesSent += UInt64(count)
    connectionSend.didSend(UInt64(count))
    if fin { state[channel].sendFinished = true }
    FrameHeader(
      length: UInt32(count), stream: stream, type: .data, flags: fin ? FrameFlags.fin : 0,
      channel: channel.rawValue
    ).append(to: &output)
  }

  /// Counts `count` bytes of a channel that the consumer took, and grants them anew in time. Also
  /// for a stream that the peer ended meanwhile; nothing happens for one that this side ended.
  public mutating func consume(_ stream: StreamID, _ channel: Channel, _ count: Int) {
    guard let state = streams[stream] else {
      guard let left = lingering[stream] else { return }
      consumeConnection(UInt64(count))
      lingering[stream] = left > UInt64(count) ? left - UInt64(count) : nil
      return
    }
    consumeConnection(UInt64(count))
    let limit = state[channel].receive.consume(UInt64(count))
    if let limit, !state[channel].receiveFinished {
      append(.window, stream: stream, channel: channel.rawValue, number: limit)
    }
  }

  /// Gives up all bytes of a stream that the peer ended which the consumer will never take.
  public mutating func abandon(_ stream: StreamID) {
    if let left = lingering.removeValue(forKey: stream) { consumeConnection(left) }
  }

  /// Lets the peer have `window` bytes under way on each channel from now on.
  public mutating func growWindows(to window: UInt64) {
    streamWindow = max(streamWindow, window)
    for state in streams.values {
      for channel in Channel.allCases { state[channel].receive.grow(to: window) }
    }
  }

  /// Lets the peer have `window` bytes under way on one channel of an open stream from now on, or the
  /// connection's window divided by `part` where that is less; never less than it has. It learns of it
  /// with the next grant.
  public mutating func growWindow(
    of stream: StreamID, _ channel: Channel, to window: UInt64, part: UInt64
  ) {
    streams[stream]?[channel].receive.grow(to: min(window, connectionReceive.size / part))
  }

  /// The bytes that the peer may have under way on a channel of an open stream; 0 of another.
  public func window(of stream: StreamID, _ channel: Channel) -> UInt64 {
    streams[stream]?[channel].receive.size ?? 0
  }

  mutating func consumeConnection(_ count: UInt64) {
    if let limit = connectionReceive.consume(count) {
      append(.window, stream: 0, number: limit)
    }
  }

  /// Sends a CONTROL for an open stream.
  public mutating func control(_ stream: StreamID, _ message: ControlMessage) {
    guard streams[stream] != nil else { return }
    append(.control, stream: stream, message.encoded())
  }

  /// Ends a stream with its result. Server only. Nothing is taken of it any more.
  public mutating func close(_ stream: StreamID, _ result: CloseResult) {
    precondition(role == .server, "only servers close streams")
    forget(stream)
    append(.close, stream: stream, result.encoded())
  }

  /// Ends a stream abruptly. Nothing is taken of it any more.
  public mutating func reset(_ stream: StreamID, _ code: ErrorCode, reason: String) {
    guard let state = streams[stream] else { return abandon(stream) }
    forget(stream)
    var payload: [UInt8] = []
    withUnsafeBytes(of: code.rawValue.bigEndian) { payload.append(contentsOf: $0) }
    withUnsafeBytes(of: state.bytesSent.bigEndian) { payload.append(contentsOf: $0) }
    payload.append(contentsOf: Self.bounded(reason, room: 12))
    append(.reset, stream: stream, payload)
  }

  /// Sends a PING with an opaque number.
  public mutating func ping(_ number: UInt64) {
    append(.ping, stream: 0, number: number)
  }

  /// Says that no streams above the last one are taken, and why. What was under way is dropped. It
  /// comes behind the HELLO, like every frame: to tell a stranger nothing, just close. What a client
  /// held back before the server's proof is dropped.
  public mutating func goAway(_ code: ErrorCode, reason: String) {
    announce()
    held = []
    isGoingAway = true
    let last = lastTaken ?? lastOpened
    lastTaken = last
    var payload: [UInt8] = []
    withUnsafeBytes(of: last.bigEndian) { payload.append(contentsOf: $0) }
    withUnsafeBytes(of: code.rawValue.bigEndian) { payload.append(contentsOf: $0) }
    payload.append(contentsOf: Self.bounded(reason, room: 8))
    Self.append(.goAway, stream: 0, payload, to: &output)
  }

  /// Drops a stream's state. What has arrived and was not taken counts as taken, or the connection
  /// would lose that credit for ever; what is still to come of a frame is counted when it comes.
  private mutating func forget(_ stream: StreamID) {
    guard let state = streams.removeValue(forKey: stream) else { return abandon(stream) }
    var toCome: UInt64 = 0
    if let current = incoming, current.stream == stream, !current.isDropped {
      toCome = current.left
      incoming?.isDropped = true
    }
    if pendingFin?.stream == stream { pendingFin = nil }
    consumeConnection(state.pending - toCome)
  }

  private static func bounded(_ reason: String, room: Int) -> [UInt8] {
    Array(reason.cut(toUTF8: Int(WireConstants.maxReasonLength) - room).utf8)
  }
}
