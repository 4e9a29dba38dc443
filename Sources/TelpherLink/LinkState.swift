/// The state machine of a connection: each input returns what the link does next.
///
///     open ──finish, fault, the peer's orderly end──▸ ending ──the peer's end, time over──▸ ended
///       │                                                                                     ▴
///       └─────────────────────────────abort, lost, broken─────────────────────────────────────┘
enum LinkState {
  /// Frames go both ways. Next: `ending`, `ended`.
  case open(Writing)
  /// This side accepts and sends nothing new. It sends what is queued, drops input, and waits for
  /// the peer to close. Next: `ended`.
  case ending(LinkEnd, Closing)
  /// Closed; the delegate has been called. Final.
  case ended

  /// The sending side of an open connection.
  enum Writing {
    /// No frames wait. Next: `gathering`, `blocked`, `failed`.
    case ready
    /// Frames wait for the end of the loop's turn. Next: `ready`, `blocked`, `failed`.
    case gathering
    /// The stream has queued bytes. Frames wait until they are written. Next: `ready`, `throttled`,
    /// `failed`.
    case blocked
    /// As `blocked`, and so many answers wait that reading is paused. Next: `ready`.
    case throttled
    /// Writing has failed for good: frames are dropped. What the peer sent before is still read,
    /// since it may say why. Next: nothing but the end of the connection.
    case failed
  }

  /// The sending side of an ending connection.
  enum Closing {
    /// The stream has queued bytes. The last frames wait until they are written. Next: `draining`.
    case blocked(Input)
    /// The last frames and the end of this side were passed to the stream, which may have queued
    /// them. Next: `drained`.
    case draining(Input)
    /// Everything is written. The peer has not ended its side yet. Final.
    case drained
    /// Writing has failed for good. The peer has not ended its side yet. Final.
    case failed
  }

  /// The receiving side of an ending connection whose last bytes are not written yet.
  enum Input {
    /// The peer has not ended its side. Next: `ended`.
    case open
    /// The peer has ended its side and may still read. Final.
    case ended
  }

  /// A link at its start.
  init() { self = .open(.ready) }

  /// Whether the connection is open in both directions.
  var isOpen: Bool {
    if case .open = self { true } else { false }
  }

  /// Whether frames may be passed to the stream now.
  var mayWrite: Bool {
    switch self {
    case .open(.ready), .open(.gathering): true
    case .open(.blocked), .open(.throttled), .open(.failed), .ending, .ended: false
    }
  }

  /// Whether reading is paused because the peer does not read this side's answers.
  var isThrottled: Bool {
    if case .open(.throttled) = self { true } else { false }
  }

  // MARK: Sending

  /// What to do with frames that were gathered.
  enum GatherAction: Equatable {
    /// Leave them: they are written later, or the connection is ending.
    case wait
    /// Call `turnDidEnd()` at the end of the loop's turn.
    case awaitEndOfTurn
    /// Pause reading.
    case pauseReading
    /// Drop them.
    case drop
  }

  /// Frames were gathered, `count` bytes by now. A peer that leaves more than `limit` bytes unread
  /// is no longer read.
  mutating func didGather(_ count: Int, limit: Int) -> GatherAction {
    switch self {
    case .open(.ready):
      self = .open(.gathering)
      return .awaitEndOfTurn
    case .open(.blocked) where count > limit:
      self = .open(.throttled)
      return .pauseReading
    case .open(.failed):
      return .drop
    case .open(.gathering), .open(.blocked), .open(.throttled), .ending, .ended:
      return .wait
    }
  }

  /// The loop's turn has ended.
  ///
  /// - Returns: whether to write the gathered frames.
  mutating func turnDidEnd() -> Bool {
    switch self {
    case .open(.gathering):
      self = .open(.ready)
      return true
    // The stream was blocked after `didGather`, or the frames were written meanwhile.
    case .open(.ready), .open(.blocked), .open(.throttled), .open(.failed), .ending, .ended:
      return false
    }
  }

  /// A write was queued by the stream. Only while `mayWrite`.
  mutating func didBlock() {
    switch self {
    case .open(.ready), .open(.gathering):
      self = .open(.blocked)
    case .open(.blocked), .open(.throttled), .open(.failed), .ending, .ended:
      preconditionFailure("nothing is written while the stream is blocked")
    }
  }

  /// What to do if the stream has written everything.
  enum WritableAction: Equatable {
    /// Nothing.
    case wait
    /// Write what waits.
    case write
    /// Resume reading, and write what waits.
    case resumeReadingAndWrite
    /// Write the last frames, end this side, and call `didBecomeWritable()` again if the stream
    /// queued none of it.
    case endSide
    /// End the connection.
    case end(LinkEnd)
  }

  /// The stream has written all bytes that it had queued.
  mutating func didBecomeWritable() -> WritableAction {
    switch self {
    case .open(.blocked):
      self = .open(.ready)
      return .write
    case .open(.throttled):
      self = .open(.ready)
      return .resumeReadingAndWrite
    case .ending(let reason, .blocked(let input)):
      self = .ending(reason, .draining(input))
      return .endSide
    case .ending(let reason, .draining(.open)):
      self = .ending(reason, .drained)
      return .wait
    case .ending(let reason, .draining(.ended)):
      return .end(reason)
    case .open(.ready), .open(.gathering), .open(.failed), .ending(_, .drained),
      .ending(_, .failed), .ended:
      return .wait
    }
  }

  /// What to do if writing has failed.
  enum FailureAction: Equatable {
    /// Nothing.
    case wait
    /// Read until the peer's end, for a limited time.
    case awaitPeersEnd
    /// End the connection.
    case end(LinkEnd)
  }

  /// Writing has failed for good. `lost` ends a connection that is not ending for another reason.
  mutating func writingDidFail(_ lost: LinkEnd) -> FailureAction {
    switch self {
    case .open(.ready), .open(.gathering), .open(.blocked):
      self = .open(.failed)
      return .awaitPeersEnd
    case .open(.throttled):
      // What the peer sent last comes after all the requests that are not read for its own fault.
      return .end(lost)
    case .ending(let reason, _):
      return .end(reason)
    case .open(.failed), .ended:
      return .wait
    }
  }

  // MARK: Ending

  /// What to do if the connection begins to end.
  enum EndingAction: Equatable {
    /// Nothing: it is ending already.
    case none
    /// Write the last frames, end this side, and call `didBecomeWritable()` if the stream queued
    /// none of it.
    case endSide
    /// Wait until the stream is writable or the peer ends its side.
    case wait
    /// As `wait`, and resume reading, to see the peer's end.
    case resumeReading
  }

  /// This side ends the connection in order, for `reason`.
  mutating func beginEnding(_ reason: LinkEnd) -> EndingAction {
    switch self {
    case .open(.ready), .open(.gathering):
      self = .ending(reason, .draining(.open))
      return .endSide
    case .open(.blocked):
      self = .ending(reason, .blocked(.open))
      return .wait
    case .open(.throttled):
      self = .ending(reason, .blocked(.open))
      return .resumeReading
    case .open(.failed):
      self = .ending(reason, .failed)
      return .wait
    case .ending, .ended:
      return .none
    }
  }

  /// The peer has ended its side of an ending connection, in order or not. It may still read if it
  /// ended in order.
  ///
  /// - Returns: why the connection ends now; nil to wait until the last bytes are written.
  mutating func peerDidEnd(inOrder: Bool) -> LinkEnd? {
    switch self {
    case .ending(let reason, .blocked) where inOrder:
      self = .ending(reason, .blocked(.ended))
      return nil
    case .ending(let reason, .draining) where inOrder:
      self = .ending(reason, .draining(.ended))
      return nil
    case .ending(let reason, _):
      return reason
    case .ended:
      return nil
    case .open:
      preconditionFailure("an open link decides itself what the peer's end means")
    }
  }

  /// Ends the connection.
  ///
  /// - Returns: whether it had not ended before.
  mutating func end() -> Bool {
    if case .ended = self { return false }
    self = .ended
    return true
  }
}
