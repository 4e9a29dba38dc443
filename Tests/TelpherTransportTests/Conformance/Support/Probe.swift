import TelpherTransport
import Testing

/// A stream that records its callbacks. In every test it also checks that callbacks come on the
/// loop's thread, not from within a call, and not after `close`.
final class Probe {
  let stream: any ByteStream
  /// The bytes that were read.
  private(set) var bytes: [UInt8] = []
  /// The sizes of the reads.
  private(set) var reads: [Int] = []
  /// The values that `onEnd` was called with.
  private(set) var ends: [TransportError?] = []
  private(set) var writables = 0
  private(set) var failures: [TransportError] = []
  private(set) var isClosed = false

  /// Called from within the callbacks, for tests that act there.
  var didRead: (() -> Void)?
  var didEnd: (() -> Void)?
  var didBecomeWritable: (() -> Void)?
  var didFail: (() -> Void)?

  /// The stream's callbacks retain `events`, which retains the probe. All are released when the
  /// stream is closed, including by the end of its loop.
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
