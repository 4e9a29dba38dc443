import TelpherTestSupport
import Testing

@testable import TelpherWire

/// The session receives the most frequent frames in a short way if they arrive whole. It must not
/// differ from the long way, which handles all others.
@Suite struct SessionSplitTests {
  /// Frames that the short way takes and frames that look like them.
  private static let conversation: [UInt8] =
    data(1, .stdin, [1, 2, 3]) + ping([1, 2, 3, 4, 5, 6, 7, 8]) + data(1, .file, [4])
    + data(1, .stdin, []) + ping([8, 7, 6, 5, 4, 3, 2, 1])
    + RawFrame(type: 0x55, stream: 1, payload: [1, 2, 3]).bytes + openRun(3)
    + data(3, .stdin, [5, 6]) + data(1, .stdin, [7], fin: true) + control(3, #"{"signal":15}"#)
    + data(3, .stdin, [8]) + reset(1, 9, sent: 5, "so") + data(1, .file, [9])
    + ping([0, 0, 0, 0, 0, 0, 0, 1])

  /// What a server sees and answers. Neighboring pieces of a channel's bytes are joined.
  private static func result(of pieces: [[UInt8]]) throws -> (seen: [Seen], answers: [UInt8]) {
    let server = try End.serverWithStream()
    var seen: [Seen] = []
    for piece in pieces {
      for event in try server.receive(piece) {
        if case .data(let stream, let channel, let bytes) = event,
          case .data(stream, channel, let before) = seen.last
        {
          seen[seen.count - 1] = .data(stream, channel, before + bytes)
        } else {
          seen.append(event)
        }
      }
    }
    return (seen, server.takeOutput())
  }

  @Test func `A cut at any offset gives the same events and answers`() throws {
    let bytewise = try Self.result(of: Self.conversation.map { [$0] })
    #expect(bytewise.seen.contains(.data(3, .stdin, [5, 6])))
    #expect(bytewise.answers.count == 3 * (WireConstants.headerLength + 8))
    for cut in 0...Self.conversation.count {
      let pieces = [Array(Self.conversation[..<cut]), Array(Self.conversation[cut...])]
      let result = try Self.result(of: pieces)
      #expect(result.seen == bytewise.seen, "cut at \(cut)")
      #expect(result.answers == bytewise.answers, "cut at \(cut)")
    }
  }

  @Test func `A whole frame that breaks a rule is refused as in pieces`() throws {
    let frames = [
      data(5, .stdin, [1]), data(1, .stdout, [1]), data(0, .stdin, [1]),
      RawFrame(type: 0x03, stream: 1, channel: 9, payload: [1]).bytes,
      RawFrame(type: 0x08, payload: [1, 2, 3]).bytes,
      RawFrame(type: 0x03, stream: 1, flags: 2, payload: [1]).bytes,
    ]
    for frame in frames {
      let whole = try End.serverWithStream().refusal(of: frame)
      let pieces = try End.serverWithStream()
      var refusal: ErrorCode?
      for byte in frame where refusal == nil { refusal = pieces.refusal(of: [byte]) }
      #expect(whole != nil)
      #expect(whole == refusal)
    }
  }
}
