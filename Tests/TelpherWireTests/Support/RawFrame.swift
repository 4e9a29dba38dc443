import TelpherWire

/// A frame as bytes, encoded and decoded without the code under test: the tests' own implementation
/// of docs/PROTOCOL.md.
struct RawFrame: Equatable {
  var type: UInt8
  var stream: UInt32 = 0
  var flags: UInt8 = 0
  var channel: UInt8 = 0
  var payload: [UInt8] = []

  var bytes: [UInt8] { Self.header(length: payload.count, self) + payload }

  /// Only the header, which announces `length` bytes of payload.
  static func header(length: Int, _ frame: RawFrame) -> [UInt8] {
    big(UInt32(length)) + big(frame.stream) + [frame.type, frame.flags, frame.channel, 0]
  }

  /// All frames in `bytes`, which must end with one; the preface is skipped.
  static func all(in bytes: [UInt8]) -> [RawFrame] {
    var frames: [RawFrame] = []
    var rest = bytes.starts(with: preface) ? bytes.dropFirst(8) : bytes[...]
    while !rest.isEmpty {
      let head = Array(rest.prefix(12))
      let length = Int(number(head[0..<4]))
      rest = rest.dropFirst(12)
      precondition(rest.count >= length, "the output ends with a whole frame")
      frames.append(
        RawFrame(
          type: head[8], stream: UInt32(number(head[4..<8])), flags: head[9], channel: head[10],
          payload: Array(rest.prefix(length))))
      rest = rest.dropFirst(length)
    }
    return frames
  }
}

let preface = Array("TELPHER1".utf8)

func big<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
  withUnsafeBytes(of: number.bigEndian) { Array($0) }
}

func number(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

func hello(_ json: String = #"{"version":1}"#) -> [UInt8] {
  RawFrame(type: 0x01, payload: Array(json.utf8)).bytes
}

func open(
  _ stream: UInt32, _ json: String = #"{"op":"run","argv":["true"]}"#, noInput: Bool = false
) -> [UInt8] {
  RawFrame(type: 0x02, stream: stream, flags: noInput ? 1 : 0, payload: Array(json.utf8)).bytes
}

func data(_ stream: UInt32, _ channel: Channel, _ payload: [UInt8], fin: Bool = false) -> [UInt8] {
  RawFrame(
    type: 0x03, stream: stream, flags: fin ? 1 : 0, channel: channel.rawValue, payload: payload
  ).bytes
}

func connectionWindow(_ limit: UInt64) -> [UInt8] {
  RawFrame(type: 0x04, payload: big(limit)).bytes
}

func window(_ stream: UInt32, _ channel: Channel, _ limit: UInt64) -> [UInt8] {
  RawFrame(type: 0x04, stream: stream, channel: channel.rawValue, payload: big(limit)).bytes
}

func control(_ stream: UInt32, _ json: String) -> [UInt8] {
  RawFrame(type: 0x05, stream: stream, payload: Array(json.utf8)).bytes
}

func close(
  _ stream: UInt32, _ json: String = #"{"result":"exited","code":0,"bytes":{"1":0,"2":0}}"#
) -> [UInt8] {
  RawFrame(type: 0x06, stream: stream, payload: Array(json.utf8)).bytes
}

func reset(_ stream: UInt32, _ code: UInt32 = 9, sent: UInt64 = 0, _ reason: String = "")
  -> [UInt8]
{
  RawFrame(type: 0x07, stream: stream, payload: big(code) + big(sent) + Array(reason.utf8)).bytes
}

func ping(_ payload: [UInt8]) -> [UInt8] { RawFrame(type: 0x08, payload: payload).bytes }

func goAway(_ last: UInt32, _ code: UInt32 = 0, _ reason: String = "") -> [UInt8] {
  RawFrame(type: 0x0A, payload: big(last) + big(code) + Array(reason.utf8)).bytes
}
