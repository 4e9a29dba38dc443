internal import TelpherJSON

/// The lines that a client sends, as bytes in the order of the calls. Subjects are checked by
/// `NATSSubject`, so no line can be forged through them.
package struct NATSEncoder: Sendable {
  /// What is to be sent.
  package private(set) var bytes: [UInt8] = []

  /// Nothing to send yet.
  package init() {}

  /// Whether there is nothing to send.
  package var isEmpty: Bool { bytes.isEmpty }

  /// Returns what is to be sent and forgets it.
  package mutating func take() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }

  /// `CONNECT`: who this is.
  package mutating func connect(_ options: NATSConnect) {
    guard let json = try? JSONEncoding.encode(options) else {
      preconditionFailure("it has only strings, flags and one number")
    }
    bytes += Array("CONNECT ".utf8)
    bytes += json
    bytes += crlf
  }

  /// `PING`: the server answers with PONG after it has handled everything before it.
  package mutating func ping() { bytes += Array("PING\r\n".utf8) }

  /// `PONG`: the answer to a PING.
  package mutating func pong() { bytes += Array("PONG\r\n".utf8) }

  /// `SUB`: messages of a subject, which may have wildcards, come with the number `id`. Of the
  /// subscriptions with the same `group` one gets each message.
  package mutating func subscribe(_ subject: NATSSubject, group: NATSSubject? = nil, id: UInt64) {
    bytes += Array("SUB \(subject.text) \(group.map { $0.text + " " } ?? "")\(id)\r\n".utf8)
  }

  /// `UNSUB`: no more messages come for the subscription.
  package mutating func unsubscribe(_ id: UInt64) { bytes += Array("UNSUB \(id)\r\n".utf8) }

  /// `PUB`, or `HPUB` if there are headers.
  package mutating func publish(
    _ subject: NATSSubject, reply: NATSSubject? = nil, headers: NATSHeaders = NATSHeaders(),
    _ payload: [UInt8]
  ) {
    precondition(!subject.hasWildcards, "a message has one subject")
    let places = "\(subject.text) \(reply.map { $0.text + " " } ?? "")"
    if headers.isEmpty {
      bytes += Array("PUB \(places)\(payload.count)\r\n".utf8)
    } else {
      var block: [UInt8] = []
      headers.write(to: &block)
      bytes += Array("HPUB \(places)\(block.count) \(block.count + payload.count)\r\n".utf8)
      bytes += block
    }
    bytes += payload
    bytes += crlf
  }
}
