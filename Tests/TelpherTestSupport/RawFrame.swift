/// A frame as bytes, encoded and decoded without the code under test, as docs/PROTOCOL.md says.
public struct RawFrame: Sendable, Equatable, CustomStringConvertible {
  public var type: UInt8
  public var stream: UInt32
  public var flags: UInt8
  public var channel: UInt8
  public var payload: [UInt8]

  public init(
    type: UInt8, stream: UInt32 = 0, flags: UInt8 = 0, channel: UInt8 = 0, payload: [UInt8] = []
  ) {
    self.type = type
    self.stream = stream
    self.flags = flags
    self.channel = channel
    self.payload = payload
  }

  public var bytes: [UInt8] {
    big(UInt32(payload.count)) + big(stream) + [type, flags, channel, 0] + payload
  }

  public var text: String { String(decoding: payload, as: UTF8.self) }
  public var isFin: Bool { type == 3 && flags & 1 != 0 }
  public var description: String {
    let name = [
      "?", "HELLO", "OPEN", "DATA", "WINDOW", "CONTROL", "CLOSE", "RESET", "PING", "PONG",
    ]
    let head = "\(type < 10 ? name[Int(type)] : "GOAWAY") \(stream).\(channel) \(flags)"
    return type == 3 ? "\(head) [\(payload.count)]" : "\(head) \(text)"
  }

  /// Removes and returns the first frame of `bytes`; nil if it is not complete yet.
  public static func take(from bytes: inout [UInt8]) -> RawFrame? {
    guard bytes.count >= 12 else { return nil }
    let length = Int(number(bytes[0..<4]))
    guard bytes.count >= 12 + length else { return nil }
    defer { bytes.removeFirst(12 + length) }
    return RawFrame(
      type: bytes[8], stream: UInt32(number(bytes[4..<8])), flags: bytes[9], channel: bytes[10],
      payload: Array(bytes[12..<(12 + length)]))
  }
}

public let preface = Array("TELPHER1".utf8)

public func big<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
  withUnsafeBytes(of: number.bigEndian) { Array($0) }
}

public func number(_ bytes: some Sequence<UInt8>) -> UInt64 {
  bytes.reduce(0) { $0 << 8 | UInt64($1) }
}

public func hello(_ json: String = #"{"version":1}"#) -> [UInt8] {
  preface + RawFrame(type: 1, payload: Array(json.utf8)).bytes
}

public func open(_ stream: UInt32, _ json: String, noInput: Bool = true) -> [UInt8] {
  RawFrame(type: 2, stream: stream, flags: noInput ? 1 : 0, payload: Array(json.utf8)).bytes
}

public func data(
  _ stream: UInt32, _ channel: UInt8, _ payload: [UInt8] = [], fin: Bool = false
) -> [UInt8] {
  RawFrame(type: 3, stream: stream, flags: fin ? 1 : 0, channel: channel, payload: payload).bytes
}

public func window(_ stream: UInt32, _ channel: UInt8, _ limit: UInt64) -> [UInt8] {
  RawFrame(type: 4, stream: stream, channel: channel, payload: big(limit)).bytes
}

public func control(_ stream: UInt32, _ json: String) -> [UInt8] {
  RawFrame(type: 5, stream: stream, payload: Array(json.utf8)).bytes
}

public func close(
  _ stream: UInt32, _ json: String = #"{"result":"exited","code":0,"bytes":{"1":0,"2":0}}"#
) -> [UInt8] {
  RawFrame(type: 6, stream: stream, payload: Array(json.utf8)).bytes
}

public func reset(_ stream: UInt32, _ code: UInt32 = 9, _ reason: String = "") -> [UInt8] {
  let payload = big(code) + big(UInt64(0)) + Array(reason.utf8)
  return RawFrame(type: 7, stream: stream, payload: payload).bytes
}

public func ping(_ number: UInt64) -> [UInt8] { RawFrame(type: 8, payload: big(number)).bytes }

public func goAway(_ last: UInt32, _ code: UInt32 = 0, _ reason: String = "") -> [UInt8] {
  RawFrame(type: 10, payload: big(last) + big(code) + Array(reason.utf8)).bytes
}
