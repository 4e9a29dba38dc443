internal import TelpherTransport

/// The receiving side of a stream: whether the owner accepts bytes, the bytes that arrived before it
/// did, and the end. A value: each input returns what the stream does next.
struct StreamInput {
  /// The peer's bytes.
  private enum Stage {
    /// More may arrive. Next: `ending`.
    case open
    /// The end has arrived and was not delivered: an error, or nil for an orderly end. Next: `ended`.
    case ending(TransportError?)
    /// The end was delivered, or the stream was closed. Final.
    case ended
  }

  /// What to do with bytes or an end that arrived.
  enum Arrival {
    /// Call `onRead` with the chunk, then `didDeliver()`.
    case deliver(Chunk)
    /// Deliver what is held now.
    case deliverHeld
    /// Deliver what is held later.
    case deliverLater
    /// Nothing.
    case wait
  }

  /// The most bytes that the owner accepts at a time; 0 while it accepts none.
  var limit = Int.max
  private var stage = Stage.open
  /// Chunks that were read before the owner accepted them.
  private var held: [Chunk] = []
  /// The owner has resumed reading.
  private var isWanted = false
  /// A callback of the owner is running.
  private var isDelivering = false
  /// NIO reads.
  private var isReading = false

  /// Whether the end of the peer's bytes has arrived.
  var hasSeenEnd: Bool {
    switch stage {
    case .open: false
    case .ending, .ended: true
    }
  }

  /// The number of bytes that are held.
  var heldBytes: Int { held.reduce(0) { $0 + $1.count } }

  /// Whether there is something to deliver now.
  var hasWork: Bool { accepts && isHolding }

  private var accepts: Bool { isWanted && limit > 0 }

  private var isHolding: Bool {
    if case .ending = stage { true } else { !held.isEmpty }
  }

  // MARK: The owner

  /// The owner accepts bytes.
  mutating func resume() { isWanted = true }
  /// The owner accepts no bytes.
  mutating func pause() { isWanted = false }

  /// The owner has closed the stream.
  mutating func close() {
    stage = .ended
    held = []
    isWanted = false
  }

  /// Whether NIO is to start or stop reading; nil to change nothing.
  mutating func changeOfReading() -> Bool? {
    let reads = accepts && held.isEmpty && !hasSeenEnd
    guard reads != isReading else { return nil }
    isReading = reads
    return reads
  }

  // MARK: What arrives

  /// NIO has read a chunk.
  ///
  /// - Parameter isInCall: NIO reports it during a call of the owner.
  mutating func receive(_ chunk: Chunk, isInCall: Bool) -> Arrival {
    guard accepts, !isInCall, !isDelivering, held.isEmpty, chunk.count <= limit else {
      held.append(chunk.compacted())
      return isDelivering ? .wait : .deliverLater
    }
    isDelivering = true
    return .deliver(chunk)
  }

  /// The owner has taken the chunk of `receive`.
  mutating func didDeliver() -> Arrival {
    isDelivering = false
    return isHolding ? .deliverLater : .wait
  }

  /// The peer's bytes have ended.
  mutating func receiveEnd(_ error: TransportError?, isInCall: Bool) -> Arrival {
    guard !hasSeenEnd else { return .wait }
    stage = .ending(error)
    isReading = false
    return isInCall || isDelivering ? .deliverLater : .deliverHeld
  }

  // MARK: Delivering what is held

  /// Begins to deliver what is held; `finishDelivery()` follows.
  ///
  /// - Returns: false if a delivery is under way.
  mutating func beginDelivery() -> Bool {
    guard !isDelivering else { return false }
    isDelivering = true
    return true
  }

  /// The next piece, while the owner accepts it.
  mutating func nextPiece() -> Chunk? {
    guard accepts, var first = held.first else { return nil }
    let piece = first.removePrefix(min(first.count, limit))
    if first.isEmpty { held.removeFirst() } else { held[0] = first }
    return piece
  }

  /// What follows the last piece.
  enum LastDelivery {
    /// Nothing now.
    case none
    /// The end: an error, or nil for an orderly end.
    case end(TransportError?)
  }

  /// Ends the delivery of what is held.
  mutating func finishDelivery() -> LastDelivery {
    isDelivering = false
    guard accepts, held.isEmpty, case .ending(let error) = stage else { return .none }
    stage = .ended
    return .end(error)
  }
}
