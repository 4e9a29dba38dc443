// The windows that this side grants: initial ones, which HELLO carries, and what they grow by.
extension Session {
  /// Reports that the consumer has taken `count` bytes of a channel; grants new credit when due. It
  /// also works for a stream that the peer has ended; for one that this side has ended it does
  /// nothing.
  ///
  /// - Parameter now: the time in nanoseconds of the clock of `time`, which is asked only if credit
  ///   is due.
  package mutating func consume(
    _ stream: StreamID, _ channel: Channel, _ count: Int, at now: @autoclosure () -> UInt64
  ) {
    guard let state = streams[stream] else {
      guard let left = lingering[stream] else { return }
      consumeConnection(UInt64(count))
      lingering[stream] = left > UInt64(count) ? left - UInt64(count) : nil
      return
    }
    consumeConnection(UInt64(count))
    state[channel].receive.take(UInt64(count))
    guard !state[channel].receiveFinished else { return }
    // If the peer has more credit than the window's size, the connection's window alone limits it,
    // and must be able to grow.
    if growth.limit > 0, state[channel].receive.isGrantDue || state[channel].receive.exceedsSize {
      adjust(state, channel, at: now())
    }
    // The window may have become smaller.
    guard state[channel].receive.isGrantDue else { return }
    append(
      .window, stream: stream, channel: channel.rawValue, number: state[channel].receive.grant())
  }

  /// Returns the credit for all bytes, of a stream that the peer has ended, that the consumer will
  /// never take.
  package mutating func abandon(_ stream: StreamID) {
    if let left = lingering.removeValue(forKey: stream) { consumeConnection(left) }
  }

  /// Raises the receive window of one channel of an open stream to `window` bytes, or to the
  /// connection's initial window divided by `part` if that is less. It never shrinks a window. The
  /// peer learns of it with the next grant.
  package mutating func growWindow(
    of stream: StreamID, _ channel: Channel, to window: UInt64, part: UInt64
  ) {
    streams[stream]?[channel].receive.grow(to: min(window, connectionReceive.initial / part))
  }

  /// The most open streams with which a further one gets more than the window of HELLO before its
  /// consumer has taken anything. What more streams leave unread then stays small.
  package static let fewStreams = 48

  /// Raises the receive window as `growWindow` does, and grants it at once.
  package mutating func openWindow(
    of stream: StreamID, _ channel: Channel, to window: UInt64, part: UInt64
  ) {
    guard let state = streams[stream], !state[channel].receiveFinished else { return }
    let before = state[channel].receive.size
    growWindow(of: stream, channel, to: window, part: part)
    guard state[channel].receive.size > before else { return }
    append(
      .window, stream: stream, channel: channel.rawValue, number: state[channel].receive.grant())
  }

  /// Grants a channel of an open stream at once what the windows of this connection have grown to
  /// lately, as far as memory allows. Call it for a stream that may carry much.
  ///
  /// - Parameters:
  ///   - isProven: whether the consumer is sure to take the bytes at once. If not, the channel gets
  ///     the rest after it has taken half of a smaller part.
  ///   - now: the time in nanoseconds of the clock of `time`.
  package mutating func anticipate(
    _ stream: StreamID, _ channel: Channel, isProven: Bool, at now: UInt64
  ) {
    guard growth.limit > 0, let state = streams[stream], !state[channel].receiveFinished else {
      return
    }
    let size = state[channel].receive.size
    let learned = learned.value(at: now)
    guard learned > size else { return }
    let most = isProven ? learned - size : min(learned - size, growth.unproven)
    guard extend(state, channel, by: most) > 0 else { return }
    append(
      .window, stream: stream, channel: channel.rawValue, number: state[channel].receive.grant())
  }

  /// Takes back what a channel of an open stream has been granted early, because little will come.
  package mutating func expectLittle(_ stream: StreamID, _ channel: Channel) {
    guard let state = streams[stream] else { return }
    withdraw(state[channel].receive.growth, of: state, channel)
  }

  /// The receive window in bytes of a channel of an open stream; 0 if the stream is not open.
  package func window(of stream: StreamID, _ channel: Channel) -> UInt64 {
    streams[stream]?[channel].receive.size ?? 0
  }

  /// Releases the memory that was reserved for grown windows, because the connection has ended.
  package mutating func releaseWindows() { growth.end() }

  // MARK: Growing and shrinking

  /// The bytes after which a consumer has a pace: more than the pipe of a command holds.
  private static let proof: UInt64 = 1 << 20

  /// Changes a channel's window if the consumer's pace asks for it.
  private mutating func adjust(_ state: StreamState, _ channel: Channel, at now: UInt64) {
    time = now
    if roundTrip.isDue(at: now) { measureRoundTrip() }
    let size = state[channel].receive.size
    // A window that is below what others needed grows as soon as the consumer proves to be fast.
    let enough = learned.value(at: now) > size ? Self.proof : .max
    guard let known = roundTrip.shortest,
      let pace = state[channel].receive.takePace(at: now, enough: enough)
    else { return }
    let change = WindowPace.change(
      size: size, taken: pace.count, in: pace.time, roundTrip: known,
      learned: learned.value(at: now))
    switch change {
    case .keep: break
    case .grow(let wanted):
      _ = extend(state, channel, by: wanted - size)
      learned.use(state[channel].receive.size, at: now)
    case .shrink:
      let own = state[channel].receive.growth
      withdraw((own + 1) / 2, of: state, channel)
    }
  }

  /// Enlarges a channel's window by up to `count` bytes, and the connection's by as much, so that the
  /// channel takes nothing from the others.
  ///
  /// - Returns: the bytes by which the window has grown.
  private mutating func extend(
    _ state: StreamState, _ channel: Channel, by count: UInt64
  ) -> UInt64 {
    // A stream that is open goes before the next one.
    if count > growth.limit - growth.used { reclaimEarlyGrowth() }
    let own = Channel.allCases.reduce(0) { $0 + state[$1].receive.growth }
    let count = growth.take(count, own: own)
    guard count > 0 else { return 0 }
    state[channel].receive.extend(by: count)
    extendConnection(by: count)
    return count
  }

  mutating func withdraw(_ count: UInt64, of state: StreamState, _ channel: Channel) {
    withdraw(count, of: &state[channel].receive)
  }

  /// Makes a channel's window smaller by `count` bytes that it has grown, and the connection's too.
  mutating func withdraw(_ count: UInt64, of window: inout ReceiveWindow) {
    guard count > 0 else { return }
    window.reduce(by: count)
    connectionReceive.reduce(by: count)
    growth.giveBack(count)
  }

  /// Makes the connection's window smaller by what the channels of an ended stream had grown.
  mutating func withdrawAll(of state: StreamState) {
    for channel in Channel.allCases { withdraw(state[channel].receive.growth, of: state, channel) }
    settleGrowth()
  }

  mutating func consumeConnection(_ count: UInt64) {
    if let limit = connectionReceive.consume(count) {
      append(.window, stream: 0, number: limit)
    }
    coverUnread()
    settleGrowth()
  }

  /// Makes the connection's window larger or smaller by the bytes that were not taken: see
  /// `UnreadCover`.
  mutating func coverUnread() {
    let used = unread.used
    guard
      let wanted = unread.wanted(
        unread: connectionReceive.pending, growth: connectionReceive.growth - used)
    else { return }
    if wanted > used {
      let count = growth.take(wanted - used, own: used)
      guard count > 0 else { return }
      unread.set(used + count)
      extendConnection(by: count)
    } else {
      unread.set(wanted)
      connectionReceive.reduce(by: used - wanted)
      growth.giveBack(used - wanted)
    }
  }

  mutating func extendConnection(by count: UInt64) {
    connectionReceive.extend(by: count)
    if connectionReceive.isGrantDue {
      append(.window, stream: 0, number: connectionReceive.grant())
    }
  }

  mutating func settleGrowth() {
    guard growth.reserved > growth.used else { return }
    let initial = connectionReceive.initial
    let outstanding = connectionReceive.outstanding
    growth.settle(outstanding: outstanding > initial ? outstanding - initial : 0)
  }

  // MARK: The round trip

  /// Sends a PING that measures the round trip.
  private mutating func measureRoundTrip() {
    roundTrip.didSend(at: time)
    ping(RoundTrip.number)
  }

  /// Bytes of DATA have begun to arrive on a channel.
  mutating func didBeginData(_ state: StreamState, _ channel: Channel) {
    guard growth.limit > 0 else { return }
    state[channel].receive.didBegin(at: time)
    if roundTrip.isUnknown, connectionReceive.received >= RoundTrip.firstAfter {
      measureRoundTrip()
    }
  }
}
