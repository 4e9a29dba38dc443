internal import CLibUV
internal import Glibc
internal import TelpherProcess
internal import TelpherTransport

/// Reads the master side of a child's terminal.
///
/// It polls and reads by itself. libuv's streams take a read that did not fill its memory, followed
/// by a hangup, for the end; a terminal returns at most 4 KiB at a time, so they would lose what is
/// left.
final class UVTerminalOutput: UVReader, HandleOwner {
  /// The most bytes of one turn of the loop: several reads, in one piece of memory.
  private static let turnSize = 64 * 1024
  /// The most bytes that `unreadBytes` takes from the kernel. The kernel keeps about 68 KiB of a
  /// terminal's output; a process that goes on writing must not make the loop read without end.
  private static let takenLimit = 128 * 1024

  let loop: UVLoop
  private let descriptor: Int32
  /// Nil once closed.
  private var watch: UnsafeMutablePointer<uv_poll_t>?
  private var isPolling = false
  private var hasEnded = false
  /// What `unreadBytes` has taken from the kernel, in order. It is delivered before further reads.
  private var taken: [Chunk] = []
  private var deliversTaken = false

  var onRead: ((Chunk) -> Void)?
  var onEnd: ((TransportError?) -> Void)?
  var onWritable: (() -> Void)?
  var onWriteFailure: ((TransportError) -> Void)?

  var demand = ReadDemand() {
    didSet { if demand.mayRead != oldValue.mayRead { updateReading() } }
  }

  /// Takes over the descriptor.
  init(_ descriptor: Int32, on loop: UVLoop) {
    self.loop = loop
    self.descriptor = descriptor
    watch = UVPoll.make(descriptor, on: loop, for: self)
  }

  private var mayRead: Bool { watch != nil && demand.mayRead && !hasEnded }

  private func updateReading() {
    guard let watch else { return }
    if mayRead, !taken.isEmpty, !deliversTaken {
      deliversTaken = true
      loop.callLater { [self] in deliverTaken() }
    }
    let polls = mayRead && taken.isEmpty
    guard polls != isPolling else { return }
    isPolling = polls
    if polls { UVPoll.start(watch, UV_READABLE, terminalIsReadable) } else { uv_poll_stop(watch) }
  }

  private func deliverTaken() {
    deliversTaken = false
    while mayRead, !taken.isEmpty {
      let chunk = taken[0].removePrefix(min(readLimit, taken[0].count))
      if taken[0].isEmpty { taken.removeFirst() }
      onRead?(chunk)
    }
    updateReading()
  }

  fileprivate func didPoll() {
    guard mayRead else { return }
    let memory = loop.readBuffer.prepare(limit: min(readLimit, Self.turnSize))
    let (count, end) = fill(memory)
    if count > 0 {
      if count == Self.turnSize { loop.share.didUseUp() }
      // The end, if it has come, comes again with the next read.
      return onRead?(loop.readBuffer.didFill(count)) ?? ()
    }
    guard let end else { return }
    hasEnded = true
    updateReading()
    onEnd?(end.error)
  }

  /// The end of a terminal's output: its error, or nil if all processes have closed it.
  private struct End {
    let error: TransportError?
  }

  /// Reads until `memory` is full or the kernel has no more at the moment.
  private func fill(_ memory: UnsafeMutableRawBufferPointer) -> (count: Int, End?) {
    var count = 0
    while count < memory.count {
      let more = read(descriptor, memory.baseAddress! + count, memory.count - count)
      if more > 0 {
        count += more
        continue
      }
      let number = errno
      if more < 0, number == EINTR { continue }
      if more < 0, number == EAGAIN { return (count, nil) }
      // EIO: no process has the terminal open, and everything has been read.
      let isOrderly = more == 0 || number == EIO
      return (count, End(error: isOrderly ? nil : TransportError("read a terminal", errno: number)))
    }
    return (count, nil)
  }

  /// Reads everything that the kernel holds, up to a limit, and keeps it, because the kernel's own
  /// count (FIONREAD) covers only a part of it.
  var unreadBytes: Int {
    loop.preconditionIsCurrent()
    guard watch != nil, !hasEnded else { return 0 }
    var count = taken.reduce(0) { $0 + $1.count }
    if count < Self.takenLimit {
      let chunk = Chunk(capacity: Self.takenLimit - count) { fill($0).count }
      if !chunk.isEmpty { taken.append(chunk.compacted()) }
      count += chunk.count
    }
    updateReading()
    return count
  }

  var hasWriters: Bool {
    loop.preconditionIsCurrent()
    return watch != nil && !hasEnded && UVPoll.hasWriters(descriptor)
  }

  /// Sets the terminal's size. Does nothing once closed.
  func resize(to size: TerminalSize) {
    if watch != nil { TerminalMaster.resize(descriptor, to: size) }
  }

  func close() {
    loop.preconditionIsCurrent()
    guard let watch else { return }
    self.watch = nil
    (onRead, onEnd, onWritable, onWriteFailure) = (nil, nil, nil, nil)
    taken = []
    UVPoll.close(watch, descriptor)
  }

  // It only reads.
  func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool { true }
  func finishWriting() {}
  var queuedBytes: Int { 0 }
  func setResetsOnClose(_ resets: Bool) {}
  var peer: PeerIdentity { .inherited }
  var tcpPorts: TCPPorts? { nil }
}

private func terminalIsReadable(_ handle: UnsafeMutablePointer<uv_poll_t>?, _: Int32, _: Int32) {
  Handle.owner(of: handle, as: UVTerminalOutput.self).didPoll()
}
