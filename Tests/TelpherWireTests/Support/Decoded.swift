import TelpherTestSupport
@testable import TelpherWire

/// The frames that a decoder found, with the pieces of DATA joined, so that the result does not
/// depend on the cuts.
enum Decoded: Equatable {
  case data(FrameHeader, [UInt8])
  case number(FrameHeader, UInt64)
  case message(FrameHeader, [UInt8])

  /// Feeds `pieces` one after another to a new decoder.
  ///
  /// - Returns: the frames, and whether the input ended between two of them.
  static func decode(
    _ pieces: [[UInt8]], maxFrame: UInt32 = WireConstants.defaultMaxFrame,
    expectsPreface: Bool = false
  ) throws(WireError) -> (frames: [Decoded], isAtBoundary: Bool) {
    var decoder = FrameDecoder(maxFrame: maxFrame, expectsPreface: expectsPreface)
    var frames: [Decoded] = []
    for piece in pieces {
      try feed(piece, to: &decoder, &frames)
    }
    return (frames, decoder.isAtBoundary)
  }

  private static func feed(
    _ piece: [UInt8], to decoder: inout FrameDecoder, _ frames: inout [Decoded]
  ) throws(WireError) {
    // A separate copy, so that the address sanitizer detects a read past the piece.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: piece)
    let input = UnsafeRawBufferPointer(copy)
    var position = 0
    while let frame = try decoder.next(in: input, at: &position) {
      switch frame {
      case .data(let header, let range, let offset):
        if offset == 0 { frames.append(.data(header, [])) }
        guard case .data(header, let before)? = frames.last else {
          preconditionFailure("the pieces of a frame follow its first")
        }
        precondition(before.count == Int(offset), "no byte twice, none left out")
        frames[frames.count - 1] = .data(header, before + input[range])
      case .number(let header, let number): frames.append(.number(header, number))
      case .message(let header, let payload): frames.append(.message(header, payload))
      case .openWithoutRoom: preconditionFailure("there is room for every OPEN")
      }
    }
    precondition(position == piece.count, "all of the input is taken")
  }

  /// The code with which the decoder refuses the input; nil if it accepts it.
  static func refusal(
    of bytes: [UInt8], maxFrame: UInt32 = WireConstants.defaultMaxFrame,
    expectsPreface: Bool = false
  ) -> ErrorCode? {
    do throws(WireError) {
      _ = try decode([bytes], maxFrame: maxFrame, expectsPreface: expectsPreface)
      return nil
    } catch {
      return error.code
    }
  }
}
