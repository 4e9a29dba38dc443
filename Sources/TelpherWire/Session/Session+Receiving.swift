internal import TelpherText

extension Session {
  /// Returns the next event in `input` from `position` on, and moves `position` past it.
  ///
  /// - Returns: nil if all of `input` is consumed.
  /// - Throws: `WireError` if the peer violated the protocol: send its code and message in a GOAWAY
  ///   and end the connection.
  package mutating func nextEvent(in input: UnsafeRawBufferPointer, at position: inout Int)
    throws(WireError) -> SessionEvent?
  {
    if let finished = pendingFin {
      pendingFin = nil
      return .fin(finished.stream, finished.channel)
    }
    while true {
      if isGreeted, let (header, payload) = decoder.wholeFrame(in: input, at: position) {
        if header.type == .data {
          if let event = try receiveWholeData(header, payload) {
            position = payload.upperBound
            return event
          }
        } else {
          position = payload.upperBound
          if let event = receivePing(FrameDecoder.number(in: input, at: payload.lowerBound)) {
            return event
          }
          continue
        }
      }
      guard let frame = try decoder.next(in: input, at: &position) else { return nil }
      if let event = try receive(frame) { return event }
    }
  }

  private mutating func receive(_ frame: FrameDecoder.Frame) throws(WireError) -> SessionEvent? {
    guard isGreeted else { return try receiveOpening(frame) }
    switch frame {
    case .data(let header, let range, let offset):
      return try receiveData(header, range, offset)
    case .number(let header, let number):
      return try receiveNumber(header, number)
    case .message(let header, let payload):
      return try receiveMessage(header, payload)
    case .openWithoutRoom(let header):
      try takeNumber(of: header)
      return lastTaken == nil ? .openWithoutRoom(header.stream) : nil
    }
  }

  /// Receives a whole DATA frame without flags, if its channel is open. Looks its stream up once.
  ///
  /// - Returns: nil if the channel is not open; nothing is changed then.
  private mutating func receiveWholeData(_ header: FrameHeader, _ range: Range<Int>)
    throws(WireError) -> SessionEvent?
  {
    guard let channel = Channel(rawValue: header.channel), let state = streams[header.stream],
      !state[channel].receiveFinished
    else { return nil }
    try connectionReceive.receive(UInt64(range.count))
    coverUnread()
    try state[channel].receive.receive(UInt64(range.count))
    didBeginData(state, channel)
    return .data(header.stream, channel, range: range)
  }

  private mutating func receiveData(_ header: FrameHeader, _ range: Range<Int>, _ offset: UInt32)
    throws(WireError) -> SessionEvent?
  {
    if offset == 0 { incoming = try begin(header) }
    guard var current = incoming else {
      preconditionFailure("the pieces of a frame follow its first")
    }
    current.left -= UInt64(range.count)
    incoming = current
    let isFin = current.left == 0 && header.flags & FrameFlags.fin != 0
    // This side may have closed the stream while the frame was arriving.
    guard !current.isDropped, let state = streams[current.stream] else {
      consumeConnection(UInt64(range.count))
      return nil
    }
    if isFin { state[current.channel].receiveFinished = true }
    guard !range.isEmpty else {
      return isFin ? .fin(current.stream, current.channel) : nil
    }
    if isFin { pendingFin = current }
    return .data(current.stream, current.channel, range: range)
  }

  /// Checks the header of a DATA frame and counts all of its bytes against the credit.
  private mutating func begin(_ header: FrameHeader) throws(WireError) -> Incoming {
    guard header.flags & FrameFlags.zstd == 0 else {
      throw WireError(.protocolError, "a compressed frame came, but 'zstd' was not agreed on")
    }
    let channel = try channel(of: header)
    try connectionReceive.receive(UInt64(header.length))
    coverUnread()
    guard let state = streams[header.stream] else {
      try checkWasOpened(header.stream, "DATA")
      return Incoming(
        stream: header.stream, channel: channel, left: UInt64(header.length), isDropped: true)
    }
    guard !state[channel].receiveFinished else {
      throw WireError(
        .streamState,
        "DATA for channel \(header.channel) of stream \(header.stream), which has ended")
    }
    try state[channel].receive.receive(UInt64(header.length))
    didBeginData(state, channel)
    return Incoming(
      stream: header.stream, channel: channel, left: UInt64(header.length), isDropped: false)
  }

  /// Answers a PING here, unless the owner does.
  private mutating func receivePing(_ number: UInt64) -> SessionEvent? {
    if passesPings && number != RoundTrip.number { return .ping(number) }
    append(.pong, stream: 0, number: number)
    return nil
  }

  private mutating func receiveNumber(_ header: FrameHeader, _ number: UInt64)
    throws(WireError) -> SessionEvent?
  {
    switch header.type {
    case .ping: return receivePing(number)
    case .pong where number == RoundTrip.number:
      roundTrip.didReceiveAnswer(at: time)
      return nil
    case .pong:
      return .pong(number)
    case .giveBack:
      try receiveReturned(number)
      return nil
    default:
      if header.stream == 0 {
        try connectionSend.raise(to: number)
        return .credit(0, nil)
      }
      let channel = try channel(of: header)
      guard let state = streams[header.stream] else {
        if try receiveEarlyCredit(header.stream, channel, number) { return nil }
        try checkWasOpened(header.stream, "WINDOW")
        return nil
      }
      try state[channel].send.raise(to: number)
      return .credit(header.stream, channel)
    }
  }

  mutating func receiveMessage(_ header: FrameHeader, _ payload: [UInt8])
    throws(WireError) -> SessionEvent?
  {
    let stream = header.stream
    switch header.type {
    case .hello:
      throw WireError(.protocolError, "a second HELLO")
    case .auth:
      throw WireError(.protocolError, "an AUTH came, but no proof is required")
    case .goAway:
      guard payload.count >= 8 else { throw WireError(.protocolError, "a GOAWAY is too short") }
      let last = Self.word(payload, 0)
      if last != WireConstants.noLastStream { isGoingAway = true }
      return .goAway(
        last: last, ErrorCode(rawValue: Self.word(payload, 4)),
        reason: ShownText.escaped(payload[8...]))
    case .open:
      return try receiveOpen(header, payload)
    case .reset:
      guard payload.count >= 12 else { throw WireError(.protocolError, "a RESET is too short") }
      guard endByPeer(stream) else {
        try checkWasOpened(stream, "RESET")
        return nil
      }
      return .reset(
        stream, ErrorCode(rawValue: Self.word(payload, 0)),
        reason: ShownText.escaped(payload[12...]))
    case .close:
      guard role == .client else {
        throw WireError(.protocolError, "a CLOSE from a client: only servers close streams")
      }
      guard endByPeer(stream) else {
        try checkWasOpened(stream, "CLOSE")
        return nil
      }
      return .close(stream, result: payload)
    default:
      precondition(header.type == .control, "the decoder passes no other messages on")
      guard streams[stream] != nil else {
        try checkWasOpened(stream, "CONTROL")
        return nil
      }
      return .control(stream, message: payload)
    }
  }

  /// Ends a stream because the peer has ended it.
  ///
  /// - Returns: false if it was not open.
  private mutating func endByPeer(_ stream: StreamID) -> Bool {
    guard let state = streams.remove(stream) else { return false }
    withdrawAll(of: state)
    grantEarly()
    if state.pending > 0 { lingering[stream] = state.pending }
    return true
  }

  /// Checks the number of a stream that the client opens and marks it as used.
  private mutating func takeNumber(of header: FrameHeader) throws(WireError) {
    let stream = header.stream
    guard role == .server else {
      throw WireError(.protocolError, "an OPEN from a server: only clients open streams here")
    }
    guard stream % 2 == 1 else {
      throw WireError(.streamState, "OPEN of stream \(stream): a client's streams are odd")
    }
    guard stream > lastOpened else {
      throw WireError(
        .streamState,
        "OPEN of stream \(stream) after \(lastOpened): numbers rise and are never used again")
    }
    lastOpened = stream
  }

  private mutating func receiveOpen(_ header: FrameHeader, _ payload: [UInt8])
    throws(WireError) -> SessionEvent?
  {
    try takeNumber(of: header)
    let stream = header.stream
    guard lastTaken == nil else { return nil }
    guard streams.count < Int(local.maxStreams ?? WireConstants.defaultMaxStreams) else {
      return .openPastLimit(stream)
    }
    let noInput = header.flags & FrameFlags.noInput != 0
    let state = newStream(noInput: noInput)
    useEarlyWindows(for: stream, state)
    streams.add(stream, state)
    return .open(stream, request: payload, noInput: noInput)
  }

  private func channel(of header: FrameHeader) throws(WireError) -> Channel {
    guard header.stream != 0, let channel = Channel(rawValue: header.channel) else {
      throw WireError(
        .protocolError, "channel \(header.channel) of stream \(header.stream) does not exist")
    }
    return channel
  }

  /// Throws if the stream was never opened. A frame for a stream that this side has ended was
  /// already on its way, so the caller drops it.
  private func checkWasOpened(_ stream: StreamID, _ name: String) throws(WireError) {
    guard stream % 2 == 1, stream <= lastOpened else {
      throw WireError(.streamState, "\(name) for stream \(stream), which was never opened")
    }
  }

  private static func word(_ payload: [UInt8], _ offset: Int) -> UInt32 {
    payload.withUnsafeBytes {
      UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
  }
}
