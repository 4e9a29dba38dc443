internal import TelpherTransport
internal import TelpherWire

/// Work that uses only TelpherWire, without I/O.
enum WireWork: String, CaseIterable {
  /// Decode a DATA frame of 64 bytes.
  case decodeData = "decode-data"
  /// Decode a PING.
  case decodePing = "decode-ping"
  /// Append the header of a DATA frame to the output.
  case encodeData = "encode-data"
  /// Let a session receive a DATA frame of 64 bytes, count it as consumed, and send one.
  case session
  /// Decode the JSON of an OPEN.
  case decodeOpen = "decode-open"
  /// Encode the JSON of a CLOSE.
  case encodeClose = "encode-close"

  /// The description in tables.
  var title: String {
    switch self {
    case .decodeData: "DATA frame decoded"
    case .decodePing: "PING frame decoded"
    case .encodeData: "DATA header encoded"
    case .session: "DATA frame in and out of a session"
    case .decodeOpen: "OPEN of a command decoded"
    case .encodeClose: "CLOSE of a command encoded"
    }
  }

  /// The number of repetitions that takes about 0.2 seconds.
  var count: Int { self == .decodeOpen || self == .encodeClose ? 30_000 : 5_000_000 }

  /// Does the work `count` times, in batches as large as a typical read from a socket.
  func run(_ count: Int) throws {
    switch self {
    case .decodeData: try Self.decode(.data, payload: 64, count)
    case .decodePing: try Self.decode(.ping, payload: 8, count)
    case .encodeData: Self.encode(count)
    case .session: try Self.passThroughSession(count)
    case .decodeOpen: try Self.decodeOpen(count)
    case .encodeClose: Self.encodeClose(count)
    }
  }

  private static let batch = 500

  private static func frames(_ type: FrameType, payload: Int, stream: StreamID) -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<batch {
      FrameHeader(
        length: UInt32(payload), stream: stream, type: type, channel: Channel.file.rawValue
      ).append(to: &bytes)
      bytes += [UInt8](repeating: 0x55, count: payload)
    }
    return bytes
  }

  private static func decode(_ type: FrameType, payload: Int, _ count: Int) throws {
    let input = frames(type, payload: payload, stream: 1)
    var decoder = FrameDecoder(expectsPreface: false)
    var decoded = 0
    while decoded < count {
      try input.withUnsafeBytes { bytes in
        var position = 0
        while try decoder.next(in: bytes, at: &position) != nil { decoded += 1 }
      }
    }
  }

  private static func encode(_ count: Int) {
    var output: [UInt8] = []
    output.reserveCapacity(batch * WireConstants.headerLength)
    var encoded = 0
    while encoded < count {
      output.removeAll(keepingCapacity: true)
      for _ in 0..<batch {
        FrameHeader(length: 64, stream: 1, type: .data, channel: Channel.file.rawValue)
          .append(to: &output)
      }
      encoded += batch
    }
    keep(output)
  }

  private static func passThroughSession(_ count: Int) throws {
    let hello = Hello(window: FrameLoad.window, connectionWindow: FrameLoad.window)
    var client = Session(role: .client, hello: hello)
    let stream = try client.open(Array("{}".utf8), noInput: false)
    var server = Session(role: .server, hello: hello)
    var passed = 0
    try receive(client.output, &server, &passed)
    let input = frames(.data, payload: 64, stream: stream)
    while passed < count {
      try receive(input, &server, &passed)
      server.output.removeAll(keepingCapacity: true)
    }
  }

  private static func receive(_ input: [UInt8], _ session: inout Session, _ passed: inout Int)
    throws
  {
    try input.withUnsafeBytes { bytes in
      var position = 0
      while let event = try session.nextEvent(in: bytes, at: &position) {
        guard case .data(let stream, let channel, let range) = event else { continue }
        session.consume(stream, channel, range.count, at: 0)
        session.data(stream, channel, count: range.count, fin: false)
        passed += 1
      }
    }
  }

  private static func decodeOpen(_ count: Int) throws {
    var request = RunRequest()
    request.argv = ["ls", "-la", "/var/log"]
    let bytes = try OpenRequest.run(request).encoded()
    for _ in 0..<count { keep(try OpenRequest.decode(bytes)) }
  }

  private static func encodeClose(_ count: Int) {
    var result = CloseResult(.exited)
    result.code = 0
    result.bytes = ["1": 4_096, "2": 0]
    result.wallMS = 1.25
    for _ in 0..<count { keep(result.encoded()) }
  }

  /// Prevents the compiler from removing the computation of an unused value.
  @inline(never)
  private static func keep<Value>(_ value: Value) {}
}
