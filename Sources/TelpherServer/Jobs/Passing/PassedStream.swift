internal import TelpherFileStore
internal import TelpherLink
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

/// A client's stream, and the stream that belongs to it to the job host, or to a process that acts as
/// another user. Use it only on its loop's thread.
final class PassedStream: StreamWork, HostStream {
  private enum State {
    /// The host is being reached; this is what the client has sent meanwhile. Next: open, over.
    case waiting(Early)
    /// Both streams are open. Next: draining, over.
    case open(StreamID, Link)
    /// The host has ended its stream; bytes for the client still wait. Next: over.
    case draining(StreamID, HostEnding)
    /// The client's stream has ended. Final.
    case over
  }

  /// What has arrived before the stream to the host was open. The client's window bounds the bytes.
  private struct Early {
    var chunks: [(Channel, Chunk)] = []
    var ends: [Channel] = []
    var messages: [ControlMessage] = []
    static let maxMessages = 64
  }

  /// The report of written paths, which the client does not get.
  struct Writes {
    var report = WriteReport()
    /// Records the paths; nil without an audit log.
    let record: WriteRecorder?
  }

  /// The caller may replace it before the stream is opened.
  var request: [UInt8]
  let noInput: Bool
  /// For a listening socket in the process: what it has announced.
  var announced: AnnouncedConnections?
  let withoutHost: CloseResult?
  /// Whether the client may only read: what it says about the command is not passed on.
  private let isReadOnly: Bool
  private let near: StreamID
  private weak var connection: ServerConnection?
  private unowned let passage: JobPassage
  private var state = State.waiting(Early())
  private var up: [Channel: ChannelPasser] = [:]
  private var down: [Channel: ChannelPasser] = [:]
  private var writes: Writes?
  /// Counts a durable job until the host has answered.
  private var reservation: JobReservation?

  /// - Parameters:
  ///   - withoutHost: the result if no host listens; nil if one is started then.
  ///   - writes: what happens with the paths that the host reports; nil if it reports none.
  ///   - reservation: counts a durable job until the host has answered.
  init(
    _ request: [UInt8], noInput: Bool, on near: StreamID, of connection: ServerConnection,
    through passage: JobPassage, withoutHost: CloseResult?, writes: Writes? = nil,
    reservation: JobReservation? = nil, isReadOnly: Bool = false
  ) {
    self.isReadOnly = isReadOnly
    self.writes = writes
    self.reservation = reservation
    self.request = request
    self.noInput = noInput
    self.withoutHost = withoutHost
    self.near = near
    self.connection = connection
    self.passage = passage
  }

  var isOpen: Bool { if case .over = state { false } else { true } }

  private func end(_ closing: StreamClosing) {
    switch state {
    case .open(let far, _), .draining(let far, _): passage.streamDidEnd(far)
    case .waiting, .over: break
    }
    state = .over
    connection?.workDidFinish(self, near, closing)
    (up, down) = ([:], [:])
  }

  // MARK: From the client

  func receive(_ chunk: Chunk, on channel: Channel) {
    switch state {
    case .waiting(var early):
      early.chunks.append((channel, chunk.compacted()))
      state = .waiting(early)
    case .open(let far, let host): upward(channel, far, host).receive(chunk)
    case .draining, .over: connection?.link.consume(near, channel, chunk.count)
    }
  }

  func receiveEnd(of channel: Channel) {
    switch state {
    case .waiting(var early):
      early.ends.append(channel)
      state = .waiting(early)
    case .open(let far, let host): upward(channel, far, host).finish()
    case .draining, .over: break
    }
  }

  func receive(_ messages: [ControlMessage]) throws(WireError) {
    let messages = isReadOnly ? messages.filter(Self.concernsReading) : messages
    guard !messages.isEmpty else { return }
    switch state {
    case .waiting(var early):
      early.messages += messages
      guard early.messages.count <= Early.maxMessages else {
        throw WireError(.limitReached, "CONTROL: too many messages before the job is reached")
      }
      state = .waiting(early)
    case .open(let far, let host): host.control(far, encoded: ControlMessage.encode(messages))
    case .draining, .over: break
    }
  }

  /// Whether a message is about the client's own stream only.
  private static func concernsReading(_ message: ControlMessage) -> Bool {
    switch message {
    case .stopSending, .detach: true
    case .opened, .accepted, .signal, .cancel, .resize, .digest, .restart, .taken: false
    }
  }

  func streamDidEnd(_ reason: StreamEnd) {
    reservation?.releaseLater()
    reservation = nil
    switch state {
    case .open(let far, let host):
      // A durable job continues in both cases.
      host.reset(far, reason == .disconnected ? .lost : .canceled, reason: "the client is gone")
    case .draining, .waiting, .over: break
    }
    end(.reset(.canceled, reason: "the stream has ended"))
  }

  private func upward(_ channel: Channel, _ far: StreamID, _ host: Link) -> ChannelPasser {
    if let passer = up[channel] { return passer }
    guard let client = connection?.link else {
      preconditionFailure("a connection ends its streams before it is released")
    }
    let passer = ChannelPasser(
      from: client, near, channel, to: host.outbound(far, channel), isInput: true, didDrain: {})
    up[channel] = passer
    // The window of standard input was opened with the stream.
    if channel != .stdin { client.openInput(near, channel) }
    return passer
  }

  // MARK: From the passage

  func didOpen(_ far: StreamID, over host: Link) {
    guard case .waiting(let early) = state else {
      preconditionFailure("a stream is opened once, while its client waits")
    }
    state = .open(far, host)
    connection?.link.openInput(near, .stdin)
    if !early.messages.isEmpty { host.control(far, encoded: ControlMessage.encode(early.messages)) }
    for (channel, chunk) in early.chunks { upward(channel, far, host).receive(chunk) }
    for channel in early.ends { upward(channel, far, host).finish() }
  }

  func refuse(_ reason: String) { finish(CloseResult(.refused, message: reason)) }

  func finish(_ result: CloseResult) {
    hostDidAnswer()
    guard isOpen else { return }
    end(.close(result))
  }

  /// The host knows the job now, or never will.
  private func hostDidAnswer() {
    reservation?.release()
    reservation = nil
  }

  func receiveFromHost(_ chunk: Chunk, _ channel: Channel) {
    hostDidAnswer()
    guard writes != nil, channel == WriteReport.channel else {
      downward(channel)?.receive(chunk)
      return
    }
    guard case .open(let far, let host) = state else { return }
    host.consume(far, channel, chunk.count)
    do throws(FileError) {
      for paths in try writes?.report.receive(chunk) ?? [] { try writes?.record?(paths) }
    } catch {
      host.reset(far, .canceled, reason: error.message)
      finish(CloseResult(.failed, message: error.message))
    }
  }

  func finishFromHost(_ channel: Channel) {
    if writes == nil || channel != WriteReport.channel { downward(channel)?.finish() }
  }

  private func downward(_ channel: Channel) -> ChannelPasser? {
    if let passer = down[channel] { return passer }
    guard case .open(let far, let host) = state, let client = connection?.link else { return nil }
    let passer = ChannelPasser(
      from: host, far, channel, to: client.outbound(near, channel), isInput: false,
      didDrain: { [weak self] in self?.endIfDrained() })
    down[channel] = passer
    return passer
  }

  func receiveControlFromHost(_ message: [UInt8]) {
    hostDidAnswer()
    announced?.note(message)
    connection?.link.control(near, encoded: message)
  }

  func hostDidEnd(_ ending: HostEnding) {
    hostDidAnswer()
    guard case .open(let far, _) = state else { return }
    state = .draining(far, ending)
    up.values.forEach { $0.drop() }
    endIfDrained()
  }

  private func endIfDrained() {
    guard case .draining(_, let ending) = state, down.values.allSatisfy(\.isDrained) else { return }
    switch ending {
    case .close(let result): end(.encodedClose(result))
    case .reset(let code, let reason): end(.reset(code, reason: reason))
    }
  }
}
