// What a connection gives back while it is idle, so that others of the process get the memory.
extension Session {
  /// Looks for what is not used any more, at `now` nanoseconds of the clock of `time`. Call it now and
  /// then; it does nothing within `WindowPace.idleAfter` of the last time.
  ///
  /// Windows that have grown and that nothing uses become as small as at first. If this side has sent
  /// no DATA since the last time, it returns the connection's credit beyond the first window.
  package mutating func rest(at now: UInt64) {
    let last = lastRest
    guard isGreeted, now >= last.time, now - last.time >= WindowPace.idleAfter else { return }
    // The peer may not return what was granted for its next stream, if that is less than a WINDOW.
    if connectionReceive.rest() { reclaimEarlyGrowth() }
    if growth.used > 0 || growth.reserved > 0 { shrinkIdleWindows() }
    defer { lastRest = (now, connectionSend.sent) }
    let first = peerHello?.connectionWindow ?? WireConstants.defaultConnectionWindow
    guard connectionSend.sent == last.sent, connectionSend.credit > first,
      peerKnows(WireConstants.returnedCredit)
    else { return }
    let count = connectionSend.credit - first
    connectionSend.didSend(count)
    append(.giveBack, stream: 0, number: count)
  }

  private mutating func shrinkIdleWindows() {
    for state in streams.states {
      for channel in Channel.allCases where state[channel].receive.rest() {
        withdraw(state[channel].receive.growth, of: state, channel)
      }
    }
    settleGrowth()
  }

  /// The peer gives back `count` bytes of the connection's credit: they count as sent and taken, so
  /// that they are counted in order with DATA and WINDOW. It keeps its credit on the streams.
  ///
  /// - Throws: `WireError` if it has less credit.
  mutating func receiveReturned(_ count: UInt64) throws(WireError) {
    // The next stream needs nothing soon.
    reclaimEarlyGrowth()
    try connectionReceive.receive(count)
    consumeConnection(count)
  }
}
