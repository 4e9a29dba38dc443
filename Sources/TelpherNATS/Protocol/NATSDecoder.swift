internal import TelpherJSON
internal import TelpherText

/// Turns the bytes of a NATS server into events, without I/O:
///
///     INFO {...}\r\n        PING\r\n   PONG\r\n   +OK\r\n   -ERR 'TEXT'\r\n
///     MSG SUBJECT SID [REPLY] COUNT\r\n PAYLOAD \r\n
///     HMSG SUBJECT SID [REPLY] HEADERCOUNT COUNT\r\n HEADERS PAYLOAD \r\n
///
/// The events do not depend on how the bytes were cut. It keeps at most one line or one message and
/// what came in the same piece after it.
package struct NATSDecoder: Sendable {
  private enum State {
    /// A line comes next. Next: `line`, `body`, `failed`.
    case line
    /// The payload of this message comes next, `total` bytes of which `headers` are its headers, and
    /// the end of a line. Next: `line`, `failed`.
    case body(NATSMessage, headers: Int, total: Int)
    /// The peer has violated the protocol. Final.
    case failed(NATSError)
  }

  private var state = State.line
  private var buffer: [UInt8] = []
  /// Where the bytes begin that were not used yet.
  private var start = 0
  /// Up to where no end of line was found.
  private var searched = 0

  /// A decoder for a new connection.
  package init() {}

  /// Whether bytes wait that belong to no event yet.
  package var hasRest: Bool { start < buffer.count }

  /// Adds bytes. Call `next()` until it returns nil before more are added.
  package mutating func receive(_ bytes: UnsafeRawBufferPointer) {
    if start == buffer.count {
      buffer.removeAll(keepingCapacity: buffer.capacity <= Self.keptCapacity)
      (start, searched) = (0, 0)
    } else if start > Self.keptCapacity {
      buffer.removeSubrange(..<start)
      (start, searched) = (0, searched - start)
    }
    buffer.append(contentsOf: bytes)
  }

  /// How much memory is kept for later, and how many used bytes may wait before they are removed.
  private static let keptCapacity = 65_536

  /// The next event; nil if more bytes are needed.
  ///
  /// - Throws: `NATSError` (`violation`), and again the same from then on.
  package mutating func next() throws(NATSError) -> NATSEvent? {
    do throws(NATSError) {
      switch state {
      case .failed(let error): throw error
      case .line: return try nextLine()
      case .body(let message, let headers, let total):
        return try nextBody(message, headers: headers, total: total)
      }
    } catch {
      state = .failed(error)
      throw error
    }
  }

  private mutating func nextLine() throws(NATSError) -> NATSEvent? {
    let found = buffer.withUnsafeBufferPointer { [searched] in
      $0.position(of: UInt8(ascii: "\n"), from: searched)
    }
    guard let end = found else {
      searched = buffer.count
      guard buffer.count - start <= NATSLimits.line + 1 else {
        throw Self.violation("too long a line")
      }
      return nil
    }
    guard end - start <= NATSLimits.line + 1 else { throw Self.violation("too long a line") }
    guard end > start, buffer[end - 1] == UInt8(ascii: "\r") else {
      throw Self.violation("a line without a carriage return at its end")
    }
    let line = buffer[start..<(end - 1)]
    start = end + 1
    searched = start
    return try parse(line)
  }

  private mutating func nextBody(
    _ message: NATSMessage, headers: Int, total: Int
  ) throws(NATSError) -> NATSEvent? {
    guard buffer.count - start >= total + crlf.count else { return nil }
    let middle = start + headers
    let end = start + total
    guard buffer[end] == crlf[0], buffer[end + 1] == crlf[1] else {
      throw Self.violation("a payload of another length than announced")
    }
    var message = message
    if headers > 0 { message.headers = try NATSHeaders(parsing: buffer[start..<middle]) }
    message.payload = Array(buffer[middle..<end])
    start = end + crlf.count
    searched = start
    state = .line
    return .message(message)
  }

  // MARK: Lines

  private mutating func parse(_ line: ArraySlice<UInt8>) throws(NATSError) -> NATSEvent? {
    let operation = line.prefix { !Self.isBlank($0) }
    let rest = line[operation.endIndex...]
    switch String(decoding: operation.prefix(8), as: UTF8.self).uppercased() {
    case "PING": return .ping
    case "PONG": return .pong
    case "+OK": return .ok
    case "-ERR": return .error(Self.errorText(rest))
    case "INFO": return .info(try Self.info(rest))
    case "MSG": return try beginMessage(rest, hasHeaders: false)
    case "HMSG": return try beginMessage(rest, hasHeaders: true)
    default:
      throw Self.violation("an unknown line: \(ShownText.escaped(line.prefix(40)))")
    }
  }

  private mutating func beginMessage(
    _ rest: ArraySlice<UInt8>, hasHeaders: Bool
  ) throws(NATSError) -> NATSEvent? {
    let fields = rest.split(maxSplits: 6, whereSeparator: Self.isBlank)
    let numbers = hasHeaders ? 2 : 1
    guard fields.count == 2 + numbers || fields.count == 3 + numbers else {
      throw Self.violation("a line of a message with \(fields.count) parts")
    }
    guard let id = Self.number(fields[1], atMost: .max),
      let total = Self.count(fields[fields.count - 1]),
      let headers = hasHeaders ? Self.count(fields[fields.count - 2]) : 0, headers <= total
    else {
      throw Self.violation(
        "a message with a wrong number, or of more than \(NATSLimits.message) bytes")
    }
    let subject = try Self.subject(fields[0])
    let reply = fields.count == 3 + numbers ? try Self.subject(fields[2]) : nil
    if hasHeaders && headers == 0 { throw Self.violation("an HMSG without headers") }
    state = .body(
      NATSMessage(subscription: id, subject: subject, reply: reply, payload: []),
      headers: headers, total: total)
    return try next()
  }

  private static func subject(_ bytes: ArraySlice<UInt8>) throws(NATSError) -> String {
    guard bytes.count <= NATSLimits.subject, let text = String(validating: bytes, as: UTF8.self)
    else {
      throw violation("a subject that is too long or no UTF-8")
    }
    return text
  }

  private static func count(_ digits: ArraySlice<UInt8>) -> Int? {
    number(digits, atMost: UInt64(NATSLimits.message)).map { Int($0) }
  }

  private static func number(_ digits: ArraySlice<UInt8>, atMost limit: UInt64) -> UInt64? {
    guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
      let number = UInt64(String(decoding: digits, as: UTF8.self)), number <= limit
    else { return nil }
    return number
  }

  private static func info(_ rest: ArraySlice<UInt8>) throws(NATSError) -> NATSInfo {
    do {
      return try JSONDecoding.decode(
        NATSInfo.self, from: rest, limits: JSONLimits(depth: NATSLimits.jsonDepth))
    } catch {
      throw violation("an INFO that can't be read")
    }
  }

  private static func errorText(_ rest: ArraySlice<UInt8>) -> String {
    let quote = UInt8(ascii: "'")
    var text = rest.drop(while: isBlank)
    if text.first == quote, text.last == quote, text.count > 1 {
      text = text.dropFirst().dropLast()
    }
    return ShownText.escaped(text.prefix(NATSLimits.errorText))
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }

  private static func violation(_ what: String) -> NATSError {
    NATSError(.violation, "the NATS server sent \(what)")
  }
}
