public import TelpherLink
public import TelpherTransport
public import TelpherWire

/// The loop's side of a `TransferPort`: carries what the worker sends to the stream and what comes
/// to the worker. On the link's loop only, which is why it may be named from elsewhere: only
/// `announce` is called there, and that goes to the loop.
public final class PortPump: @unchecked Sendable {
  /// The credit of a file's bytes: enough that neither side waits for the other on one machine, where
  /// a file over a Unix socket took a tenth longer with 1 MiB.
  static let window: UInt64 = 4 << 20
  /// The credit of the records about files.
  static let indexWindow = WireConstants.defaultWindow
  /// The part of the connection's credit that one stream's files and records may hold at most, since
  /// all that a slow disk keeps is missing to the others.
  static let partOfConnection = (file: UInt64(2), index: UInt64(4))

  /// The worker's side.
  public private(set) var port: TransferPort!
  private unowned let link: Link
  private let stream: StreamID
  private var outbounds: [OutboundChannel] = []
  private var blocked: Set<Channel> = []
  private var isOver = false
  private var unfinished = 0
  private var whenSent: (() -> Void)?

  /// A pump for `stream` of `link`, which sends on `channels`.
  public init(link: Link, stream: StreamID, sends channels: [Channel]) {
    self.link = link
    self.stream = stream
    let loop = link.loop
    let windows = (
      file: link.growWindow(of: stream, .file, to: Self.window, part: Self.partOfConnection.file),
      index: link.growWindow(
        of: stream, .index, to: Self.indexWindow, part: Self.partOfConnection.index)
    )
    port = TransferPort(windows: windows) { [weak self] in
      guard let self else { return }
      loop.execute { self.pump() }
    }
    unfinished = channels.count
    outbounds = channels.map { link.outbound(stream, $0) }
    for outbound in outbounds {
      outbound.onReady = { [unowned self] in
        blocked.remove(outbound.channel)
        pump()
      }
      outbound.onFinished = { [unowned self] in
        unfinished -= 1
        tellIfSent()
      }
    }
  }

  /// Bytes came.
  public func receive(_ chunk: Chunk, on channel: Channel) {
    guard channel == .file || channel == .index, !isOver else {
      return link.consume(stream, channel, chunk.count)
    }
    // The worker may take its time, and a small piece should not pin a whole read buffer.
    port.deliver(chunk.compacted(), on: channel)
  }

  /// The peer has ended a channel.
  public func finish(_ channel: Channel) {
    if channel == .file || channel == .index { port.deliverEnd(of: channel) }
  }

  /// A word came.
  ///
  /// - Throws: `WireError` where there are too many.
  public func receive(_ word: ControlMessage) throws(WireError) { try port.deliver(word) }

  /// The peer has ended the stream, and is content: what the worker still sends is dropped, and nothing
  /// more comes to it.
  public func peerIsContent() {
    isOver = true
    for channel in [Channel.file, .index] { port.deliverEnd(of: channel) }
    port.ignoreSends()
  }

  /// The stream is over; the worker is told why.
  public func end(_ error: FileError) {
    isOver = true
    port.end(error)
  }

  /// Calls `body` once all that the worker has sent, the ends of its channels included, has gone.
  public func whenSent(_ body: @escaping () -> Void) {
    whenSent = body
    pump()
    tellIfSent()
  }

  private func tellIfSent() {
    guard unfinished == 0, let body = whenSent else { return }
    whenSent = nil
    body()
  }

  private func pump() {
    let (words, taken) = port.monitor.withLock { $0.look() }
    guard !isOver else { return }
    for word in words { link.control(stream, word) }
    for (channel, count) in taken { link.consume(stream, channel, count) }
    for outbound in outbounds where !blocked.contains(outbound.channel) { send(outbound) }
  }

  private func send(_ outbound: OutboundChannel) {
    let channel = outbound.channel
    while true {
      let (chunk, isFinished, hasRoom) = port.monitor.withLock { state in
        let chunk = state.outgoing[channel].next()
        return (chunk, state.outgoing[channel].isFinished, state.isFull && !state.hasNoRoom())
      }
      if hasRoom { port.monitor.signal() }
      guard let chunk else {
        if isFinished { outbound.finish() }
        return
      }
      if !outbound.send(chunk) {
        blocked.insert(channel)
        return
      }
    }
  }
}
