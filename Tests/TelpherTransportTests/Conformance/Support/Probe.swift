import TelpherTransport
import Testing

/// A stream with a record of what its callbacks said. Whatever a test is about, this checks what
/// always holds: callbacks come on the loop's thread, not from within a call, and not after `close`.
final class Probe {
  let stream: any ByteStream
  /// What was read.
  private(set) var bytes: [UInt8] = []
  /// The sizes of the reads.
  private(set) var reads: [Int] = []
  /// What `onEnd` was called with.
  private(set) var ends: [TransportError?] = []
  private(set) var writables = 0
  private(set) var failures: [TransportError] = []
  private(set) var isClosed = false

  /// Called in the callbacks, for tests that act from there.
  var didRead: (() -> Void)?
  var didEnd: (() -> Void)?
  var didBecomeWritable: (() -> Void)?
  var didFail: (() -> Void)?

  /// The stream's callbacks keep it, and it keeps the probe: all of it goes when the stream is
  /// closed, be it by the end of its loop.
  private unowned let events: Events
  private var isInCall = false
  private var isPaused = true

  init(_ stream: any ByteStream, _ events: Events) {
    self.stream = stream
    self.events = events
    events.keep(self)
    stream.onRead = { [unowned self, events] chunk in
      #expect(!chunk.isEmpty)
      #expect(!isPaused, "a read came while paused")
      bytes.append(contentsOf: chunk)
      reads.append(chunk.count)
      called(didRead, events)
    }
    stream.onEnd = { [unowned self, events] error in
      ends.append(error)
      called(didEnd, events)
    }
    stream.onWritable = { [unowned self, events] in
      writables += 1
      called(didBecomeWritable, events)
    }
    stream.onWriteFailure = { [unowned self, events] error in
      failures.append(error)
      called(didFail, events)
    }
  }

  var hasEnded: Bool { !ends.isEmpty }
  var text: String { String(decoding: bytes, as: UTF8.self) }

  private func called(_ body: (() -> Void)?, _ events: Events) {
    #expect(events.loop.isCurrent)
    #expect(!isInCall, "a callback came from within a call")
    #expect(!isClosed, "a callback came after close")
    body?()
    events.happened()
  }

  private func call<R>(_ body: () -> R) -> R {
    let outer = isInCall
    isInCall = true
    defer { isInCall = outer }
    return body()
  }

  @discardableResult
  func write(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { head in call { stream.write(head, nil) } }
  }

  @discardableResult
  func write(head: [UInt8] = [], body: Chunk) -> Bool {
    head.withUnsafeBytes { head in call { stream.write(head, body) } }
  }

  func resume() {
    isPaused = false
    call { stream.resumeReading() }
  }

  func pause() {
    isPaused = true
    call { stream.pauseReading() }
  }

  func finishWriting() {
    call { stream.finishWriting() }
  }

  func close() {
    isClosed = true
    call { stream.close() }
  }
}
