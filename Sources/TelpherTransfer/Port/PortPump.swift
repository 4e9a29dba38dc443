package import TelpherFileStore
package import TelpherLink
package import TelpherTransport
package import TelpherWire

/// The loop's side of a `TransferPort`. It passes data from the worker to the stream, and received
/// data from the stream to the worker.
///
/// All methods are for the link's loop only. Sendable is unchecked because the port's `notifyLoop`
/// closure captures the pump on other threads; that closure only schedules `pump` on the loop.
package final class PortPump: @unchecked Sendable {
  /// The window of the file channel in bytes, large enough that neither side waits for the other on
  /// one machine. With 1 MiB, a file over a Unix socket took a tenth longer.
  static let window: UInt64 = 4 << 20
  /// The window of the index channel, which carries the records about files, in bytes.
  static let indexWindow = WireConstants.defaultWindow
  /// The largest part of the connection's window (1/2 and 1/4) that these channels of one stream
  /// may hold. A stream with a slow disk then leaves credit for the others.
  static let partOfConnection = (file: UInt64(2), index: UInt64(4))

  private enum Phase {
    /// The worker performs the request. Next: `finishing`, `over`.
    case working
    /// The worker is done, and the rest of its bytes is being sent; `didSend` follows. Next: `over`.
    case finishing(didSend: () -> Void)
    /// Nothing more is sent, and what arrives is dropped. Final.
    case over
  }

  /// The state of one channel that the worker sends on.
  private enum Sending {
    /// It may send. Next: `waiting`, `finishing`.
    case ready
    /// It waits until its `OutboundChannel` takes more. Next: `ready`.
    case waiting
    /// The worker has ended it; the rest of its bytes and the FIN are being sent. Next: `finished`.
    case finishing
    /// Its FIN was sent. Final.
    case finished
  }

  /// The worker's side.
  package private(set) var port: TransferPort!
  private unowned let link: Link
  private let stream: StreamID
  private var senders: [(outbound: OutboundChannel, state: Sending)] = []
  private var phase = Phase.working

  /// Creates a pump and its port for `stream` of `link`. The worker sends on `channels`.
  ///
  /// - Parameter receivesFiles: whether the peer sends the bytes of files.
  package init(
    link: Link, stream: StreamID, sends channels: [Channel], receivesFiles: Bool
  ) {
    self.link = link
    self.stream = stream
    let loop = link.loop
    let windows = (
      file: link.openWindow(of: stream, .file, to: Self.window, part: Self.partOfConnection.file),
      index: link.openWindow(
        of: stream, .index, to: Self.indexWindow, part: Self.partOfConnection.index)
    )
    if receivesFiles { link.anticipate(stream, .file) } else { link.expectLittle(stream, .file) }
    port = TransferPort(windows: windows) { [weak self] in
      guard let self else { return }
      loop.execute { self.pump() }
    }
    senders = channels.map { (link.outbound(stream, $0), .ready) }
    for index in senders.indices {
      senders[index].outbound.onReady = { [unowned self] in
        senders[index].state = .ready
        pump()
      }
      senders[index].outbound.onFinished = { [unowned self] in
        senders[index].state = .finished
        reportIfSent()
      }
    }
  }

  /// Passes received bytes to the worker. Bytes of other channels, or after the end, are dropped.
  package func receive(_ chunk: Chunk, on channel: Channel) {
    guard channel == .file || channel == .index, !isOver else {
      return link.consume(stream, channel, chunk.count)
    }
    // The worker may keep a chunk for long; a small one should not hold a whole read buffer.
    port.deliver(chunk.compacted(), on: channel)
  }

  /// The peer has ended a channel.
  package func finish(_ channel: Channel) {
    if channel == .file || channel == .index { port.deliverEnd(of: channel) }
  }

  /// Passes the messages of a received CONTROL to the worker.
  ///
  /// - Throws: `WireError` if too many CONTROLs have arrived.
  package func receive(_ messages: [ControlMessage]) throws(WireError) {
    try port.deliver(messages)
  }

  /// The peer has closed the stream successfully. Drops what the worker still sends, and ends its
  /// incoming channels.
  package func peerDidFinish() {
    phase = .over
    for channel in [Channel.file, .index] { port.deliverEnd(of: channel) }
    port.peerDidFinish()
  }

  /// The stream has ended early; the worker's calls throw `error` from now on.
  package func end(_ error: FileError) {
    phase = .over
    port.end(error)
  }

  /// Calls `body` once all channels of the worker have sent their data and their ends, unless the
  /// stream ends before.
  package func whenSent(_ body: @escaping () -> Void) {
    guard !isOver else { return }
    phase = .finishing(didSend: body)
    pump()
    reportIfSent()
  }

  private var isOver: Bool {
    if case .over = phase { true } else { false }
  }

  private func reportIfSent() {
    guard case .finishing(let didSend) = phase, senders.allSatisfy({ $0.state == .finished })
    else { return }
    phase = .over
    didSend()
  }

  private func pump() {
    let changes = port.takeChanges()
    guard !isOver else { return }
    for message in changes.messages { link.control(stream, message) }
    for (channel, count) in changes.takenBytes { link.consume(stream, channel, count) }
    for index in senders.indices where senders[index].state == .ready { send(index) }
  }

  /// Sends what the worker has queued for a channel, as long as the channel takes it.
  private func send(_ index: Int) {
    let outbound = senders[index].outbound
    while true {
      switch port.nextOutgoing(outbound.channel) {
      case .chunk(let chunk, _):
        if !outbound.send(chunk) {
          senders[index].state = .waiting
          return
        }
      case .finished:
        senders[index].state = .finishing
        return outbound.finish()
      case .nothing: return
      }
    }
  }
}
