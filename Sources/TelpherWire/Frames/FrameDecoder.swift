/// Splits a stream of bytes into frames, whatever the sizes of the pieces in which the bytes
/// arrive.
///
/// It passes the payload of DATA on in pieces, as ranges of the input, without a copy and without
/// waiting for the rest. It collects all other frames whole, since they are small. It rejects a
/// frame that is too long at its header, before it stores any of it.
package struct FrameDecoder: ~Copyable {
  /// What `next(in:at:)` found.
  package enum Frame: Equatable {
    /// Bytes `range` of the input are payload of a DATA frame. `offset` is their position in the
    /// payload; the first piece has 0. An empty frame yields one empty piece.
    case data(FrameHeader, range: Range<Int>, offset: UInt32)
    /// A WINDOW, PING, PONG or RETURN with its number.
    case number(FrameHeader, UInt64)
    /// A HELLO, AUTH, OPEN, CONTROL, CLOSE, RESET or GOAWAY with its payload.
    case message(FrameHeader, [UInt8])
    /// An OPEN that `admitsLongOpen` rejected. The decoder skips its payload.
    case openWithoutRoom(FrameHeader)
  }

  private enum State {
    /// `partial` holds the first bytes of the preface.
    case preface
    /// `partial` holds the first bytes of a header.
    case header
    /// `partial` holds the first bytes of the payload of a frame that is collected whole.
    case message(FrameHeader)
    /// `done` bytes of a DATA frame's payload have been passed on.
    case data(FrameHeader, done: UInt32)
    /// `left` bytes remain to be skipped: of a frame of unknown type, or of a rejected OPEN.
    case skipping(left: UInt32)
  }

  private var state: State
  private var partial: [UInt8] = []
  private let maxFrame: UInt32
  /// The longest OPEN that is accepted at the moment, in bytes.
  private var maxOpen = WireConstants.maxShortOpenLength
  /// Called for each OPEN longer than `WireConstants.maxShortOpenLength`, with its length in bytes,
  /// before any of it is stored. Returns whether to accept it.
  var admitsLongOpen: (UInt32) -> Bool = { _ in true }
  /// Which frame must come next. The decoder checks this so that an unknown peer can't make it
  /// store anything else.
  private enum Awaited {
    /// A HELLO. Next: `proof` or `any`.
    case hello
    /// An AUTH. Next: `any`.
    case proof
    /// Any frame.
    case any
  }

  private var awaited: Awaited

  /// A decoder at the start of a connection that accepts DATA payloads of up to `maxFrame` bytes.
  ///
  /// - Parameter expectsPreface: whether the 8 bytes of the preface and a HELLO come first, as on a
  ///   connection.
  package init(maxFrame: UInt32 = WireConstants.defaultMaxFrame, expectsPreface: Bool = true) {
    self.maxFrame = min(maxFrame, WireConstants.hardMaxFrame)
    state = expectsPreface ? .preface : .header
    awaited = expectsPreface ? .hello : .any
    partial.reserveCapacity(WireConstants.headerLength)
  }

  /// Requires that the next frame is an AUTH or a GOAWAY. Call it after the HELLO.
  mutating func awaitProof() { awaited = .proof }
  /// Accepts OPENs of up to `WireConstants.maxOpenLength` bytes. Call it once the peer is known.
  package mutating func acceptLongOpens() { maxOpen = WireConstants.maxOpenLength }

  /// Whether the input so far ends between two frames. A connection may end only there.
  package var isAtBoundary: Bool {
    if case .header = state { partial.isEmpty } else { false }
  }

  /// Returns the next frame, or piece of a DATA frame, from `input` at `position`, and moves
  /// `position` past it.
  ///
  /// - Returns: nil if all of `input` is consumed and more is needed.
  /// - Throws: `WireError`; the connection can't continue after it.
  package mutating func next(in input: UnsafeRawBufferPointer, at position: inout Int)
    throws(WireError) -> Frame?
  {
    while true {
      switch state {
      case .preface:
        guard try takePreface(input, &position) else { return nil }
        state = .header
      case .header:
        guard let header = takeHeader(input, &position) else { return nil }
        try checkOrder(header.type)
        state = try Self.state(after: header, maxFrame: maxFrame, maxOpen: maxOpen)
        if header.type == .open, header.length > WireConstants.maxShortOpenLength,
          !admitsLongOpen(header.length)
        {
          state = .skipping(left: header.length)
          return .openWithoutRoom(header)
        }
      case .message(let header):
        guard let payload = takePayload(Int(header.length), input, &position) else { return nil }
        state = .header
        return try Self.frame(header, payload)
      case .data(let header, let done):
        let left = header.length - done
        let taken = UInt32(min(Int(left), input.count - position))
        if taken == 0 && left > 0 { return nil }
        state = taken == left ? .header : .data(header, done: done + taken)
        let range = position..<(position + Int(taken))
        position = range.upperBound
        return .data(header, range: range, offset: done)
      case .skipping(let left):
        let taken = UInt32(min(Int(left), input.count - position))
        position += Int(taken)
        guard taken == left else {
          state = .skipping(left: left - taken)
          return nil
        }
        state = .header
      }
    }
  }

  /// Returns the frame in `input` at `position`, and where its payload is, if it is one of the most
  /// frequent: DATA that has payload and no flags, or PING. It must lie whole in `input`. It is the
  /// short way: for any other frame, and for one that is wrong, call `next(in:at:)`. That is also
  /// possible for this one, since nothing is changed here.
  ///
  /// Call it only when frames of any type are allowed.
  func wholeFrame(
    in input: UnsafeRawBufferPointer, at position: Int
  ) -> (header: FrameHeader, payload: Range<Int>)? {
    guard case .header = state, partial.isEmpty else { return nil }
    let start = position + WireConstants.headerLength
    guard start < input.count else { return nil }
    let header = FrameHeader(reading: UnsafeRawBufferPointer(rebasing: input[position..<start]))
    let isUsual =
      switch header.type {
      case .data: header.flags == 0 && header.length > 0 && header.length <= maxFrame
      case .ping: header.length == 8
      default: false
      }
    guard isUsual, Int(header.length) <= input.count - start else { return nil }
    return (header, start..<start + Int(header.length))
  }

  /// The number that is the payload of a PING, at `position`.
  static func number(in input: UnsafeRawBufferPointer, at position: Int) -> UInt64 {
    UInt64(bigEndian: input.loadUnaligned(fromByteOffset: position, as: UInt64.self))
  }

  /// Throws if a frame of this type may not come yet. GOAWAY may come at any time, since a peer
  /// that is rejected gets one.
  private mutating func checkOrder(_ type: FrameType) throws(WireError) {
    guard type != .goAway else { return }
    switch awaited {
    case .hello:
      guard type == .hello else {
        throw WireError(.protocolError, "the first frame must be a HELLO, but another frame came")
      }
      awaited = .any
    case .proof:
      guard type == .auth else {
        throw WireError(.notAuthenticated, "an AUTH must follow the HELLO, but another frame came")
      }
      awaited = .any
    case .any: break
    }
  }

  private mutating func takePreface(_ input: UnsafeRawBufferPointer, _ position: inout Int)
    throws(WireError) -> Bool
  {
    let expected = WireConstants.preface
    while partial.count < expected.count {
      guard position < input.count else { return false }
      guard input[position] == expected[partial.count] else {
        throw WireError(
          .protocolError,
          "a Telpher connection starts with the 8 bytes TELPHER1, but this one does not")
      }
      partial.append(input[position])
      position += 1
    }
    partial.removeAll(keepingCapacity: true)
    return true
  }

  private mutating func takeHeader(_ input: UnsafeRawBufferPointer, _ position: inout Int)
    -> FrameHeader?
  {
    let length = WireConstants.headerLength
    if partial.isEmpty && input.count - position >= length {
      let header = FrameHeader(reading: UnsafeRawBufferPointer(rebasing: input[position...]))
      position += length
      return header
    }
    guard fillPartial(to: length, input, &position) else { return nil }
    let header = partial.withUnsafeBytes { FrameHeader(reading: $0) }
    partial.removeAll(keepingCapacity: true)
    return header
  }

  /// The payload of a frame that is collected whole: a number for the frequent frames, so that
  /// these allocate nothing, else the bytes.
  private enum Payload {
    case number(UInt64)
    case bytes([UInt8])
  }

  private mutating func takePayload(
    _ length: Int, _ input: UnsafeRawBufferPointer, _ position: inout Int
  ) -> Payload? {
    if partial.isEmpty && input.count - position >= length {
      defer { position += length }
      if length == 8 {
        return .number(Self.number(in: input, at: position))
      }
      return .bytes(Array(input[position..<(position + length)]))
    }
    guard fillPartial(to: length, input, &position) else { return nil }
    defer { partial.removeAll(keepingCapacity: length <= WireConstants.headerLength) }
    if length == 8 {
      return .number(partial.reduce(0) { $0 << 8 | UInt64($1) })
    }
    return .bytes(partial)
  }

  private mutating func fillPartial(
    to length: Int, _ input: UnsafeRawBufferPointer, _ position: inout Int
  ) -> Bool {
    let taken = min(length - partial.count, input.count - position)
    partial.append(contentsOf: input[position..<(position + taken)])
    position += taken
    return partial.count == length
  }

  private static func frame(_ header: FrameHeader, _ payload: Payload) throws(WireError) -> Frame {
    let isNumber =
      switch header.type {
      case .window, .ping, .pong, .giveBack: true
      default: false
      }
    switch payload {
    case .number(let number) where isNumber: return .number(header, number)
    case .number(let number):
      return .message(header, withUnsafeBytes(of: number.bigEndian) { Array($0) })
    case .bytes(let bytes):
      precondition(!isNumber, "a number frame of another length is refused at its header")
      return .message(header, bytes)
    }
  }

  /// The state after a header. All limits on lengths are checked here.
  private static func state(
    after header: FrameHeader, maxFrame: UInt32, maxOpen: UInt32
  ) throws(WireError) -> State {
    func refuse(_ limit: UInt32, _ what: String) -> WireError {
      WireError(
        .frameTooLarge, "\(what) of \(header.length) bytes is too long: the limit is \(limit)")
    }
    let limit: UInt32
    let name: String
    switch header.type {
    case .data:
      guard header.length <= maxFrame else { throw refuse(maxFrame, "a DATA frame") }
      return .data(header, done: 0)
    case .window, .ping, .pong, .giveBack:
      guard header.length == 8 else {
        throw WireError(
          .protocolError,
          "a frame of type \(header.type.rawValue) has 8 bytes of payload, not \(header.length)")
      }
      return .message(header)
    case .auth:
      guard header.length == UInt32(WireConstants.proofLength) else {
        throw WireError(
          .protocolError,
          "an AUTH has \(WireConstants.proofLength) bytes of payload, not \(header.length)")
      }
      return .message(header)
    case .hello: (limit, name) = (WireConstants.maxHelloLength, "a HELLO")
    case .open: (limit, name) = (maxOpen, "an OPEN")
    case .control: (limit, name) = (WireConstants.maxControlLength, "a CONTROL")
    case .close: (limit, name) = (WireConstants.maxCloseLength, "a CLOSE")
    case .reset: (limit, name) = (WireConstants.maxReasonLength, "a RESET")
    case .goAway: (limit, name) = (WireConstants.maxReasonLength, "a GOAWAY")
    default:
      guard !header.type.isCritical else {
        throw WireError(
          .unknownCritical, "frame type \(header.type.rawValue) must be understood but is unknown")
      }
      guard header.length <= maxFrame else { throw refuse(maxFrame, "a frame") }
      return .skipping(left: header.length)
    }
    guard header.length <= limit else { throw refuse(limit, name) }
    return .message(header)
  }
}
