internal import CLibUV
internal import Glibc
internal import TelpherProcess
internal import TelpherTransport

/// Writes the master side of a child's terminal: what the user types.
///
/// The kernel takes as much as there is room for, and the rest waits here. A program that reads
/// lines never gets more than 4,095 bytes of one line, whatever terminal it has: the kernel drops
/// what follows (termios(3)).
final class UVTerminalInput: ByteStream, HandleOwner {
  private let loop: UVLoop
  private let descriptor: Int32
  /// Nil once closed.
  private var watch: UnsafeMutablePointer<uv_poll_t>?
  private var isPolling = false
  /// The bytes that wait, from `written` on.
  private var queue: [UInt8] = []
  private var written = 0
  private var lastByte: UInt8?
  private var owesWritable = false
  private var hasFailed = false
  /// The end of the input.
  private enum Ending {
    /// More bytes may be written.
    case none
    /// The end-of-file character follows the queued bytes.
    case due
    /// It was typed, or the terminal needs none.
    case done
  }
  private var ending = Ending.none

  var onRead: ((Chunk) -> Void)?
  var onEnd: ((TransportError?) -> Void)?
  var onWritable: (() -> Void)?
  var onWriteFailure: ((TransportError) -> Void)?
  var readLimit = Int.max

  /// Takes over the descriptor.
  init(_ descriptor: Int32, on loop: UVLoop) {
    self.loop = loop
    self.descriptor = descriptor
    watch = UVPoll.make(descriptor, on: loop, for: self)
  }

  var queuedBytes: Int { queue.count - written }

  @discardableResult
  func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool {
    loop.preconditionIsCurrent()
    precondition(ending == .none, "nothing is written after finishWriting()")
    guard watch != nil, !hasFailed else { return true }
    queue.append(contentsOf: head)
    if let body { queue.append(contentsOf: body) }
    lastByte = queue.last ?? lastByte
    flush()
    if queue.isEmpty { return !owesWritable }
    owesWritable = true
    return false
  }

  func finishWriting() {
    loop.preconditionIsCurrent()
    guard ending == .none else { return }
    ending = .due
    flush()
  }

  fileprivate func didPoll() {
    flush()
    guard queue.isEmpty, owesWritable, !hasFailed else { return }
    owesWritable = false
    onWritable?()
  }

  /// Writes as much as the terminal takes, and polls if something is left.
  private func flush() {
    guard let watch, !hasFailed else { return }
    if queue.isEmpty { typeEnd() }
    while written < queue.count {
      let count = queue.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written)
      }
      if count > 0 {
        written += count
        if written == queue.count {
          clear()
          typeEnd()
        }
      } else if count < 0, errno == EINTR {
        continue
      } else if count == 0 || errno == EAGAIN {
        break
      } else {
        fail(errno)
      }
    }
    let polls = !queue.isEmpty && !hasFailed
    guard polls != isPolling else { return }
    isPolling = polls
    if polls { UVPoll.start(watch, UV_WRITABLE, terminalIsWritable) } else { uv_poll_stop(watch) }
  }

  private func clear() {
    queue.removeAll(keepingCapacity: true)
    written = 0
  }

  /// Types the end-of-file character if it is due. Twice after a line without its end: the first
  /// one only ends the line (termios(3), VEOF).
  private func typeEnd() {
    guard ending == .due else { return }
    ending = .done
    guard let character = TerminalMaster.endOfFile(of: descriptor) else { return }
    let lineEnds: [UInt8?] = [nil, UInt8(ascii: "\n"), UInt8(ascii: "\r"), character]
    queue += lineEnds.contains(lastByte) ? [character] : [character, character]
  }

  private func fail(_ number: Int32) {
    hasFailed = true
    clear()
    loop.callLater { [self] in
      onWriteFailure?(TransportError("write to a terminal", errno: number))
    }
  }

  func close() {
    loop.preconditionIsCurrent()
    guard let watch else { return }
    self.watch = nil
    (onRead, onEnd, onWritable, onWriteFailure) = (nil, nil, nil, nil)
    clear()
    UVPoll.close(watch, descriptor)
  }

  // It only writes.
  func resumeReading() {}
  func pauseReading() {}
  var unreadBytes: Int { 0 }
  var hasWriters: Bool { false }
  func setResetsOnClose(_ resets: Bool) {}
  var peer: PeerIdentity { .inherited }
  var tcpPorts: TCPPorts? { nil }
}

private func terminalIsWritable(_ handle: UnsafeMutablePointer<uv_poll_t>?, _: Int32, _: Int32) {
  Handle.owner(of: handle, as: UVTerminalInput.self).didPoll()
}
