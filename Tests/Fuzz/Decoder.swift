/// Feeds any bytes to the decoder, whole and in pieces. Both must give the same frames or the same
/// error, and the decoder must not read past its input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDecoder(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(start, count)
  let expectsPreface = input.choose(4) == 0
  let maxFrame: UInt32 = [0, 5, 65_536, .max][input.choose(4)]
  let longest = [1, 3, 16, 1_000][input.choose(4)]

  var whole = Collector(maxFrame, expectsPreface)
  whole.feed(input.bytes)
  var cut = Collector(maxFrame, expectsPreface)
  var offset = 0
  while offset < input.bytes.count && cut.error == nil {
    let length = min(1 + input.choose(longest), input.bytes.count - offset)
    // A separate copy, so that the sanitizer detects a read past the piece.
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
    piece.copyMemory(from: UnsafeRawBufferPointer(rebasing: input.bytes[offset..<offset + length]))
    cut.feed(UnsafeRawBufferPointer(piece))
    piece.deallocate()
    offset += length
  }
  require(whole.frames == cut.frames, "the frames depend on the cuts")
  require(whole.error == cut.error, "the error depends on the cuts")
  let (atEnd, cutAtEnd) = (whole.decoder.isAtBoundary, cut.decoder.isAtBoundary)
  require(whole.error != nil || atEnd == cutAtEnd, "the boundary depends on the cuts")
  return 0
}

private struct Collector: ~Copyable {
  enum Item: Equatable {
    case data(FrameHeader, [UInt8])
    case other(FrameDecoder.Frame)
  }

  var decoder: FrameDecoder
  var frames: [Item] = []
  var error: WireError?

  init(_ maxFrame: UInt32, _ expectsPreface: Bool) {
    decoder = FrameDecoder(maxFrame: maxFrame, expectsPreface: expectsPreface)
  }

  mutating func feed(_ input: UnsafeRawBufferPointer) {
    var position = 0
    do throws(WireError) {
      while let frame = try decoder.next(in: input, at: &position) { take(frame, input) }
      require(position == input.count, "input was left over")
    } catch {
      self.error = error
    }
  }

  private mutating func take(_ frame: FrameDecoder.Frame, _ input: UnsafeRawBufferPointer) {
    guard case .data(let header, let range, let offset) = frame else {
      frames.append(.other(frame))
      return
    }
    guard offset > 0 else {
      frames.append(.data(header, Array(input[range])))
      return
    }
    guard case .data(header, let before)? = frames.popLast() else { fatalError("a lost piece") }
    require(before.count == Int(offset), "a piece is not where it says")
    frames.append(.data(header, before + input[range]))
  }
}
