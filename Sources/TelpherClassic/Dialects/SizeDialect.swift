internal import TelpherTransport

/// `size`
///
///     client:  the command
///     server:  the number of bytes of the answer, as decimal text
///     client:  anything: `recv_ready`, a sentence; or nothing
///     server:  the bytes: standard output, then standard error
///
/// The number has no end of its own: it is what one read brings. Something has to separate it from
/// the answer. In some tutorials the client acknowledges it, in others the server sleeps. This
/// server serves both: it sends the answer after an acknowledgement or after a pause. Once a client
/// has acknowledged, it always does, and is waited for without end.
///
/// An acknowledgement may come late: after the pause, or after an empty answer, which nothing
/// separates from the next command. It must not be run then. So the first message after such an
/// answer is compared with what this client acknowledged with before, or at first with what the
/// tutorials' clients send (`Acknowledgement`); a command that sticks to it is separated from it.
/// From a client that has sent nothing to compare with, a message that another one follows at once
/// is an acknowledgement, since a client that has sent a command waits for its size. Only a late
/// acknowledgement of unknown text that nothing follows is taken for a command.
final class SizeDialect: CollectedDialect {
  /// What is known of the client.
  private enum Client {
    /// Nothing yet.
    case unknown
    /// It acknowledges, with this text.
    case acknowledges([UInt8])
    /// It waits for the answer.
    case waits
  }

  private let loop: any EventLoop
  private let limits: ClassicLimits
  /// How long an acknowledgement is waited for, in nanoseconds.
  private let pause: UInt64
  private var client = Client.unknown
  /// Whether an acknowledgement may come where a command is expected.
  private var isOwed = false

  /// - Parameter pause: nil for `ClassicLimits.acknowledgement`.
  init(pause: UInt64?, limits: ClassicLimits, on loop: any EventLoop) {
    self.pause = pause ?? limits.acknowledgement
    self.limits = limits
    self.loop = loop
  }

  func send(_ answer: Answer, to client: PulledStream) async throws(ClassicError) {
    try await client.write(String(answer.count))
    guard answer.count > 0 else {
      isOwed = true
      return
    }
    if case .acknowledges = self.client {
      guard let read = try await client.read() else {
        throw ClassicError.endedBeforeAcknowledgement
      }
      accept(read, from: client)
    } else {
      switch try await client.read(within: pause, on: loop) {
      case .piece(let read): accept(read, from: client)
      case .end: throw ClassicError.endedBeforeAcknowledgement
      case .silence: isOwed = true
      }
    }
    try await answer.write(to: client)
  }

  /// Takes an acknowledgement, and puts back a command that sticks to it.
  private func accept(_ read: Chunk, from stream: PulledStream) {
    isOwed = false
    let bytes = [UInt8](read)
    let text = known(at: bytes) ?? bytes
    if case .waits = client {} else { client = .acknowledges(text) }
    stream.unread(read.slice(text.count..<read.count))
  }

  func command(in read: Chunk, from stream: PulledStream) async throws(ClassicError) -> Chunk? {
    guard isOwed else { return read }
    isOwed = false
    let bytes = [UInt8](read)
    if let text = known(at: bytes) {
      client = .acknowledges(text)
      return bytes.count > text.count ? read.slice(text.count..<read.count) : nil
    }
    guard case .unknown = client else { return read }
    guard case .piece(let next) = try await stream.read(within: limits.secondMessage, on: loop)
    else {
      client = .waits
      return read
    }
    client = .acknowledges(bytes)
    return next
  }

  /// The acknowledgement that `bytes` are or begin with.
  private func known(at bytes: [UInt8]) -> [UInt8]? {
    switch client {
    case .unknown:
      Acknowledgement.words.contains(bytes)
        ? bytes : bytes.starts(with: Acknowledgement.ready) ? Acknowledgement.ready : nil
    case .acknowledges(let text): bytes.starts(with: text) ? text : nil
    case .waits: nil
    }
  }
}

/// What the clients of the tutorials acknowledge a size with.
enum Acknowledgement {
  /// What Telpher's client sends, and most of the tutorials' do.
  static let ready = Array("recv_ready".utf8)
  /// All that are recognized where a command is expected.
  static let words: Set<[UInt8]> = Set(
    ["recv_ready", "ready", "ok", "ack", "准备好接收了", "准备好了", "收到"].map { Array($0.utf8) })
}

extension ClassicError {
  /// What a server meets whose client ends in the place of an acknowledgement.
  fileprivate static let endedBeforeAcknowledgement = ClassicError(
    .lost, "the client ended before its acknowledgement")
}
