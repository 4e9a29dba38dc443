/// A frame as bytes, encoded and decoded without the code under test, as docs/PROTOCOL.md says.
package struct RawFrame: Sendable, Equatable, CustomStringConvertible {
  package var type: UInt8
  package var stream: UInt32
  package var flags: UInt8
  package var channel: UInt8
  package var payload: [UInt8]

  package init(
    type: UInt8, stream: UInt32 = 0, flags: UInt8 = 0, channel: UInt8 = 0, payload: [UInt8] = []
  ) {
    self.type = type
    self.stream = stream
    self.flags = flags
    self.channel = channel
    self.payload = payload
  }

  package var bytes: [UInt8] { header(length: payload.count) + payload }

  /// Only the header, which announces `length` bytes of payload.
  package func header(length: Int) -> [UInt8] {
    big(UInt32(length)) + big(stream) + [type, flags, channel, 0]
  }

  package var text: String { String(decoding: payload, as: UTF8.self) }
  package var isFin: Bool { type == 3 && flags & 1 != 0 }
  package var description: String {
    let name = [
      "?", "HELLO", "OPEN", "DATA", "WINDOW", "CONTROL", "CLOSE", "RESET", "PING", "PONG",
    ]
    let head = "\(type < 10 ? name[Int(type)] : "GOAWAY") \(stream).\(channel) \(flags)"
    return type == 3 ? "\(head) [\(payload.count)]" : "\(head) \(text)"
  }

  /// Removes and returns the first frame of `bytes`; nil if it is not complete yet.
  package static func take(from bytes: inout [UInt8]) -> RawFrame? {
    guard let (frame, length) = first(of: bytes[...]) else { return nil }
    bytes.removeFirst(length)
    return frame
  }

  /// All frames in `bytes`, which must end with one; the preface is skipped.
  package static func all(in bytes: [UInt8]) -> [RawFrame] {
    var rest = bytes.starts(with: preface) ? bytes.dropFirst(preface.count) : bytes[...]
    var frames: [RawFrame] = []
    while let (frame, length) = first(of: rest) {
      frames.append(frame)
      rest = rest.dropFirst(length)
    }
    precondition(rest.isEmpty, "the output ends with a whole frame")
    return frames
  }

  /// The first frame and its length in bytes.
  private static func first(of bytes: ArraySlice<UInt8>) -> (frame: RawFrame, length: Int)? {
    let head = Array(bytes.prefix(12))
    guard head.count == 12 else { return nil }
    let length = Int(number(head[0..<4]))
    let payload = Array(bytes.dropFirst(12).prefix(length))
    guard payload.count == length else { return nil }
    let frame = RawFrame(
      type: head[8], stream: UInt32(number(head[4..<8])), flags: head[9], channel: head[10],
      payload: payload)
    return (frame, 12 + length)
  }
}

package let preface = Array("TELPHER1".utf8)

package func big<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
  withUnsafeBytes(of: number.bigEndian) { Array($0) }
}

package func number(_ bytes: some Sequence<UInt8>) -> UInt64 {
  bytes.reduce(0) { $0 << 8 | UInt64($1) }
}

/// The preface and a HELLO.
package func hello(_ json: String = #"{"version":1}"#) -> [UInt8] { preface + helloFrame(json) }

/// A HELLO without the preface.
package func helloFrame(_ json: String = #"{"version":1}"#) -> [UInt8] {
  RawFrame(type: 1, payload: Array(json.utf8)).bytes
}

package func open(_ stream: UInt32, _ json: String, noInput: Bool = true) -> [UInt8] {
  RawFrame(type: 2, stream: stream, flags: noInput ? 1 : 0, payload: Array(json.utf8)).bytes
}

/// An OPEN that runs `true`.
package func openRun(_ stream: UInt32, noInput: Bool = false) -> [UInt8] {
  open(stream, #"{"op":"run","argv":["true"]}"#, noInput: noInput)
}

package func data(
  _ stream: UInt32, _ channel: UInt8, _ payload: [UInt8] = [], fin: Bool = false
) -> [UInt8] {
  RawFrame(type: 3, stream: stream, flags: fin ? 1 : 0, channel: channel, payload: payload).bytes
}

package func window(_ stream: UInt32, _ channel: UInt8, _ limit: UInt64) -> [UInt8] {
  RawFrame(type: 4, stream: stream, channel: channel, payload: big(limit)).bytes
}

package func connectionWindow(_ limit: UInt64) -> [UInt8] { window(0, 0, limit) }

package func control(_ stream: UInt32, _ json: String) -> [UInt8] {
  RawFrame(type: 5, stream: stream, payload: Array(json.utf8)).bytes
}

package func close(
  _ stream: UInt32, _ json: String = #"{"result":"exited","code":0,"bytes":{"1":0,"2":0}}"#
) -> [UInt8] {
  RawFrame(type: 6, stream: stream, payload: Array(json.utf8)).bytes
}

package func reset(_ stream: UInt32, _ code: UInt32 = 9, sent: UInt64 = 0, _ reason: String = "")
  -> [UInt8]
{
  RawFrame(type: 7, stream: stream, payload: big(code) + big(sent) + Array(reason.utf8)).bytes
}

package func ping(_ number: UInt64) -> [UInt8] { ping(big(number)) }

/// A PING with any payload; a valid one has 8 bytes.
package func ping(_ payload: [UInt8]) -> [UInt8] { RawFrame(type: 8, payload: payload).bytes }

package func goAway(_ last: UInt32, _ code: UInt32 = 0, _ reason: String = "") -> [UInt8] {
  RawFrame(type: 10, payload: big(last) + big(code) + Array(reason.utf8)).bytes
}
