internal import TelpherTransport

/// The dialect `size`.
///
///     client:  the command
///     server:  the number of bytes of the answer, as decimal text
///     client:  an acknowledgement (any text, such as `recv_ready`), or nothing
///     server:  the bytes: standard output, then standard error
///
/// The number has no end mark: a client takes what one read brings. So something must separate it
/// from the answer. In some tutorials the client acknowledges the number, in others the server
/// sleeps after it. This server works with both kinds of client: it sends the answer after an
/// acknowledgement or after a pause. After a client has acknowledged a size before the answer, the
/// server always waits for its acknowledgement, without a time limit.
///
/// An acknowledgement may come late: after the pause, or after an empty answer, where nothing
/// separates it from the next command. The server must not run it as a command. So it compares the
/// first message after such an answer with this client's earlier acknowledgement, or, without one,
/// with the texts that the tutorials' clients send (`Acknowledgement`). If a command follows in the
/// same read, the server separates the two. If the text is unknown and another message follows at
/// once, the first was an acknowledgement: a client that has sent a command waits for the size.
/// Only a late acknowledgement of unknown text that nothing follows is run as a command.
final class SizeDialect: CollectedDialect {
  /// The kind of client, as far as the server knows it.
  private enum Client {
    /// Nothing is known yet.
    case unknown
    /// The client acknowledges each size with this text, before the answer.
    case acknowledges([UInt8])
    /// The client has acknowledged with this text, but only after the answer.
    case acknowledgesLate([UInt8])
    /// The client waits for the answer and sent no acknowledgement so far.
    case waits
  }

  private let loop: any EventLoop
  private let limits: ClassicLimits
  /// How long the server waits for an acknowledgement, in nanoseconds.
  private let pause: UInt64
  private var client = Client.unknown
  /// Whether the next message may be a late acknowledgement instead of a command.
  private var mayAcknowledgeLate = false

  /// - Parameter pause: how long to wait for an acknowledgement, in nanoseconds. Nil for
  ///   `ClassicLimits.acknowledgement`.
  init(pause: UInt64?, limits: ClassicLimits, on loop: any EventLoop) {
    self.pause = pause ?? limits.acknowledgement
    self.limits = limits
    self.loop = loop
  }

  func send(_ answer: Answer, to client: PulledStream) async throws(ClassicError) {
    try await client.write(String(answer.count))
    guard answer.count > 0 else {
      mayAcknowledgeLate = true
      return
    }
    let patience: UInt64
    switch self.client {
    case .acknowledges:
      guard let read = try await client.read() else {
        throw ClassicError.endedBeforeAcknowledgement
      }
      accept(read, from: client)
      return try await answer.write(to: client)
    case .acknowledgesLate: patience = max(pause, limits.lateAcknowledgement)
    case .unknown, .waits: patience = pause
    }
    switch try await client.read(within: patience, on: loop) {
    case .piece(let read): accept(read, from: client)
    case .end: throw ClassicError.endedBeforeAcknowledgement
    case .silence: mayAcknowledgeLate = true
    }
    try await answer.write(to: client)
  }

  /// Takes an acknowledgement, and puts back a command that follows it in the same read.
  private func accept(_ read: Chunk, from stream: PulledStream) {
    mayAcknowledgeLate = false
    let bytes = [UInt8](read)
    let text = known(at: bytes) ?? bytes
    if case .waits = client {} else { client = .acknowledges(text) }
    stream.unread(read.slice(text.count..<read.count))
  }

  func command(in read: Chunk, from stream: PulledStream) async throws(ClassicError) -> Chunk? {
    guard mayAcknowledgeLate else { return read }
    mayAcknowledgeLate = false
    let bytes = [UInt8](read)
    if let text = known(at: bytes) {
      didAcknowledgeLate(text)
      return bytes.count > text.count ? read.slice(text.count..<read.count) : nil
    }
    guard case .unknown = client else { return read }
    guard case .piece(let next) = try await stream.read(within: limits.secondMessage, on: loop)
    else {
      client = .waits
      return read
    }
    didAcknowledgeLate(bytes)
    return next
  }

  private func didAcknowledgeLate(_ text: [UInt8]) {
    // An acknowledgement after an empty answer says nothing about its time.
    if case .acknowledges = client { return }
    client = .acknowledgesLate(text)
  }

  /// The known acknowledgement that `bytes` are or begin with, with the end of its line.
  private func known(at bytes: [UInt8]) -> [UInt8]? {
    let length: Int? =
      switch client {
      case .unknown, .waits:
        Acknowledgement.words.contains(Array(bytes.prefix { !Self.endsLine($0) }))
          ? bytes.prefix { !Self.endsLine($0) }.count
          : bytes.starts(with: Acknowledgement.ready) ? Acknowledgement.ready.count : nil
      case .acknowledges(let text), .acknowledgesLate(let text):
        bytes.starts(with: text) ? text.count : nil
      }
    // No command begins with the end of a line, so it belongs to the acknowledgement.
    return length.map { Array(bytes[..<$0] + bytes[$0...].prefix(while: Self.endsLine)) }
  }

  private static func endsLine(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
  }
}

/// The acknowledgements that the tutorials' clients send.
enum Acknowledgement {
  /// The acknowledgement that Telpher's client sends. Most of the tutorials' clients send it too.
  static let ready = Array("recv_ready".utf8)
  /// The texts that the server recognizes as acknowledgements when it expects a command.
  static let words: Set<[UInt8]> = Set(
    ["recv_ready", "ready", "ok", "ack", "准备好接收了", "准备好了", "收到"].map { Array($0.utf8) })
}

extension ClassicError {
  /// The client ended its side instead of acknowledging a size.
  fileprivate static let endedBeforeAcknowledgement = ClassicError(
    .lost, "the client ended its side before its acknowledgement")
}
