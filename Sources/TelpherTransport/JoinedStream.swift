/// Combines two streams into one: it reads from one and writes to the other, such as the output and
/// input of a child process.
public final class JoinedStream: ByteStream {
  private let input: any ByteStream
  private let output: any ByteStream

  /// A stream that reads `input` and writes `output`, and closes both.
  public init(reading input: any ByteStream, writing output: any ByteStream) {
    self.input = input
    self.output = output
  }

  public var onRead: ((Chunk) -> Void)? {
    get { input.onRead }
    set { input.onRead = newValue }
  }
  public var onEnd: ((TransportError?) -> Void)? {
    get { input.onEnd }
    set { input.onEnd = newValue }
  }
  public var onWritable: (() -> Void)? {
    get { output.onWritable }
    set { output.onWritable = newValue }
  }
  public var onWriteFailure: ((TransportError) -> Void)? {
    get { output.onWriteFailure }
    set { output.onWriteFailure = newValue }
  }
  public var readLimit: Int {
    get { input.readLimit }
    set { input.readLimit = newValue }
  }
  public var queuedBytes: Int { output.queuedBytes }
  public var unreadBytes: Int { input.unreadBytes }
  public var hasWriters: Bool { input.hasWriters }
  public var peer: PeerIdentity { .inherited }

  public func resumeReading() { input.resumeReading() }
  public func pauseReading() { input.pauseReading() }
  @discardableResult
  public func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool {
    output.write(head, body)
  }
  public func finishWriting() { output.finishWriting() }
  public func close() {
    input.close()
    output.close()
  }
}
