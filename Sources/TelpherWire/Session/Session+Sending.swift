extension Session {
  /// Opens a stream: appends an OPEN and returns the stream's number. Client only.
  ///
  /// - Throws: `WireError` if no stream can be opened now: the peer's limit is reached, the peer is
  ///   shutting down, or all numbers are used.
  package mutating func open(_ request: [UInt8], noInput: Bool) throws(WireError) -> StreamID {
    precondition(role == .client, "only clients open streams")
    guard !isGoingAway else {
      throw WireError(.shuttingDown, "the server is shutting down and accepts no new commands")
    }
    let limit = peerHello?.maxStreams ?? WireConstants.defaultMaxStreams
    guard streams.count < Int(limit) else {
      throw WireError(
        .limitReached, "\(limit) streams are open on this connection, which is the server's limit")
    }
    guard let stream = nextStream else {
      throw WireError(.limitReached, "all stream numbers of this connection are used: reconnect")
    }
    lastOpened = stream
    let state = newStream(noInput: noInput)
    useEarlyCredit(for: stream, state)
    streams.add(stream, state)
    append(.open, stream: stream, flags: noInput ? FrameFlags.noInput : 0, request)
    return stream
  }

  /// The number of bytes that may be sent on a channel now: at most its credit, the connection's
  /// credit and the peer's longest frame. It is 0 if the stream or channel has ended, and before
  /// the peer's HELLO.
  package func sendable(_ stream: StreamID, _ channel: Channel) -> Int {
    guard isGreeted, let state = streams[stream], !state[channel].sendFinished else {
      return 0
    }
    return Int(min(state[channel].send.credit, connectionSend.credit, peerMaxFrame))
  }

  /// The credit in bytes of one channel, regardless of the connection's credit.
  package func channelCredit(_ stream: StreamID, _ channel: Channel) -> UInt64 {
    streams[stream]?[channel].send.credit ?? 0
  }

  /// The credit in bytes of the whole connection.
  package var connectionCredit: UInt64 { connectionSend.credit }

  /// Appends the header of a DATA frame of `count` bytes, at most `sendable`. The caller must write
  /// the payload directly after it.
  package mutating func data(_ stream: StreamID, _ channel: Channel, count: Int, fin: Bool) {
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

  /// Appends a whole DATA frame with `bytes` if there is credit for all of them, and looks its
  /// stream up once.
  ///
  /// - Returns: the number of bytes that may be sent after it; nil if nothing was appended.
  package mutating func wholeData(
    _ stream: StreamID, _ channel: Channel, _ bytes: UnsafeRawBufferPointer
  ) -> Int? {
    let count = UInt64(bytes.count)
    guard isGreeted, let state = streams[stream], !state[channel].sendFinished,
      count <= min(state[channel].send.credit, connectionSend.credit, peerMaxFrame)
    else { return nil }
    state[channel].send.didSend(count)
    state.bytesSent += count
    connectionSend.didSend(count)
    FrameHeader(
      length: UInt32(count), stream: stream, type: .data, flags: 0, channel: channel.rawValue
    ).append(to: &output)
    output.append(contentsOf: bytes)
    return Int(min(state[channel].send.credit, connectionSend.credit, peerMaxFrame))
  }

  /// Appends a CONTROL for an open stream; does nothing for another.
  package mutating func control(_ stream: StreamID, _ message: ControlMessage) {
    control(stream, encoded: ControlMessage.encode([message]))
  }

  /// Appends a CONTROL with this JSON for an open stream; does nothing for another.
  package mutating func control(_ stream: StreamID, encoded message: [UInt8]) {
    guard streams[stream] != nil else { return }
    append(.control, stream: stream, message)
  }

  /// Ends a stream with its result. Server only. Later input on the stream is dropped.
  package mutating func close(_ stream: StreamID, _ result: CloseResult) {
    close(stream, encoded: result.encoded())
  }

  /// Ends a stream with a result that is this JSON. Server only.
  package mutating func close(_ stream: StreamID, encoded result: [UInt8]) {
    precondition(role == .server, "only servers close streams")
    forget(stream)
    append(.close, stream: stream, result)
  }

  /// Ends a stream abruptly. Later input on it is dropped.
  package mutating func reset(_ stream: StreamID, _ code: ErrorCode, reason: String) {
    guard let state = streams[stream] else { return abandon(stream) }
    forget(stream)
    var payload: [UInt8] = []
    withUnsafeBytes(of: code.rawValue.bigEndian) { payload.append(contentsOf: $0) }
    withUnsafeBytes(of: state.bytesSent.bigEndian) { payload.append(contentsOf: $0) }
    payload.append(contentsOf: Self.bounded(reason, room: 12))
    append(.reset, stream: stream, payload)
  }

  /// Appends a PING with an opaque number.
  package mutating func ping(_ number: UInt64) {
    append(.ping, stream: 0, number: number)
  }

  /// Appends a PONG, the answer to a `SessionEvent.ping`.
  package mutating func pong(_ number: UInt64) {
    append(.pong, stream: 0, number: number)
  }

  /// Appends a GOAWAY: this side accepts no streams above the last one. Frames that a client held
  /// back until the server's proof are dropped. The HELLO precedes it, except to a client whose
  /// signatures were refused; to reveal nothing to another unknown peer, close the connection instead.
  package mutating func goAway(_ code: ErrorCode, reason: String) {
    announce()
    held = []
    isGoingAway = true
    let last = lastTaken ?? lastOpened
    lastTaken = last
    appendGoAway(code, after: last, reason: reason)
  }

  /// Appends a GOAWAY that only asks the client to leave when it can: this side still accepts all
  /// streams. After the HELLO only.
  package mutating func askToLeave(reason: String) {
    appendGoAway(.shuttingDown, after: WireConstants.noLastStream, reason: reason)
  }

  private mutating func appendGoAway(_ code: ErrorCode, after last: StreamID, reason: String) {
    var payload: [UInt8] = []
    withUnsafeBytes(of: last.bigEndian) { payload.append(contentsOf: $0) }
    withUnsafeBytes(of: code.rawValue.bigEndian) { payload.append(contentsOf: $0) }
    payload.append(contentsOf: Self.bounded(reason, room: 8))
    Self.append(.goAway, stream: 0, payload, to: &output)
  }

  /// Removes a stream's state. Bytes that arrived and were not taken count as taken, or the
  /// connection would lose that credit forever. The rest of a frame that is arriving is counted
  /// when it arrives.
  private mutating func forget(_ stream: StreamID) {
    guard let state = streams.remove(stream) else { return abandon(stream) }
    var toCome: UInt64 = 0
    if let current = incoming, current.stream == stream, !current.isDropped {
      toCome = current.left
      incoming?.isDropped = true
    }
    if pendingFin?.stream == stream { pendingFin = nil }
    withdrawAll(of: state)
    grantEarly()
    consumeConnection(state.pending - toCome)
  }

  private static func bounded(_ reason: String, room: Int) -> [UInt8] {
    Array(reason.cut(toUTF8: Int(WireConstants.maxReasonLength) - room).utf8)
  }
}
