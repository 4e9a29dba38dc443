internal import TelpherText

/// The headers of a message, with the status line that a server may put before them:
///
///     NATS/1.0[ STATUS[ DESCRIPTION]]\r\n
///     NAME: VALUE\r\n ...
///     \r\n
package struct NATSHeaders: Sendable, Equatable {
  /// One line.
  package struct Field: Sendable, Equatable {
    /// Its name, which is compared byte by byte.
    package var name: String
    /// Its value.
    package var value: String

    /// A field.
    package init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
  }

  /// What the status line of a server's message says.
  package struct Status: Sendable, Equatable {
    /// A number with three digits.
    package var code: Int
    /// The text after it.
    package var text: String

    /// A status.
    package init(_ code: Int, _ text: String = "") { (self.code, self.text) = (code, text) }

    /// The server is idle but still there (a heartbeat or flow control).
    package static let idle = 100
    /// The last message of a batch was sent.
    package static let endOfBatch = 204
    /// There is no such message.
    package static let notFound = 404
    /// The request has expired.
    package static let expired = 408
    /// The request can't be served, or is over: a limit, a deleted consumer, a change of leader.
    package static let conflict = 409
    /// Nothing answers on this subject.
    package static let noResponders = 503
  }

  static let version = Array("NATS/1.0".utf8)

  /// The status; nil in an ordinary message.
  package var status: Status?
  /// The fields in their order.
  package var fields: [Field]

  /// Headers.
  package init(status: Status? = nil, _ fields: [Field] = []) {
    self.status = status
    self.fields = fields
  }

  /// An id for one message, which no other message has: 128 random bits.
  package static func randomID() -> String {
    (0..<2).map { _ in String(UInt64.random(in: 0 ... .max), radix: 36) }.joined(separator: "-")
  }

  /// Whether there is nothing to send.
  package var isEmpty: Bool { status == nil && fields.isEmpty }

  /// The value of the first field of that name.
  package subscript(name: String) -> String? {
    let wanted = ExactText(name)
    return fields.first { ExactText($0.name) == wanted }?.value
  }
}

extension NATSHeaders {
  /// Reads a whole block of headers.
  ///
  /// - Throws: `NATSError` (`violation`).
  package init(parsing block: ArraySlice<UInt8>) throws(NATSError) {
    func bad(_ what: String) -> NATSError { NATSError(.violation, "the message's headers \(what)") }
    let lines = try Self.lines(of: block)
    guard let first = lines.first, first.starts(with: Self.version) else {
      throw bad("do not begin with NATS/1.0")
    }
    self.init(status: try Self.status(first.dropFirst(Self.version.count)))
    guard lines.count - 1 <= NATSLimits.headerFields else { throw bad("have too many fields") }
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else {
        throw bad("have a line without a name")
      }
      fields.append(
        Field(
          String(decoding: line[..<colon], as: UTF8.self),
          String(decoding: Self.trimmed(line[(colon + 1)...]), as: UTF8.self)))
    }
  }

  /// The lines before the empty one that ends the block.
  private static func lines(of block: ArraySlice<UInt8>) throws(NATSError) -> [ArraySlice<UInt8>] {
    var lines: [ArraySlice<UInt8>] = []
    var start = block.startIndex
    while let end = block[start...].firstIndex(of: UInt8(ascii: "\n")) {
      guard end > start, block[end - 1] == UInt8(ascii: "\r") else { break }
      let line = block[start..<(end - 1)]
      start = end + 1
      guard line.isEmpty else {
        guard lines.count <= NATSLimits.headerFields else { break }
        lines.append(line)
        continue
      }
      guard start == block.endIndex else { break }
      return lines
    }
    throw NATSError(
      .violation, "the message's headers do not end with an empty line, or are too many")
  }

  private static func status(_ rest: ArraySlice<UInt8>) throws(NATSError) -> Status? {
    let text = trimmed(rest)
    if text.isEmpty { return nil }
    let digits = text.prefix(3)
    guard rest.first == UInt8(ascii: " "), digits.count == 3,
      digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
      let code = Int(String(decoding: digits, as: UTF8.self))
    else {
      throw NATSError(.violation, "the message's status is not a number with three digits")
    }
    let description = trimmed(text.dropFirst(3)).prefix(NATSLimits.errorText)
    return Status(code, ShownText.escaped(description))
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    var bytes = bytes.drop(while: isBlank)
    while let last = bytes.last, isBlank(last) { bytes.removeLast() }
    return bytes
  }

  /// Appends the block. Names and values come from this program: it must not have put an end of line
  /// into them.
  func write(to output: inout [UInt8]) {
    output += Self.version
    if let status {
      output += Array(" \(status.code)".utf8)
      if !status.text.isEmpty { output += Array(" \(status.text)".utf8) }
    }
    output += crlf
    for field in fields {
      let isSafe = !(field.name + field.value).utf8.contains { $0 == 10 || $0 == 13 }
      precondition(
        isSafe && !field.name.isEmpty && !field.name.contains(":"), "a field is one line")
      output += Array(field.name.utf8)
      output += Array(": ".utf8)
      output += Array(field.value.utf8)
      output += crlf
    }
    output += crlf
  }
}

/// The end of a line.
let crlf: [UInt8] = [13, 10]
