/// Combines two streams into one: it reads from one and writes to the other, such as the output and
/// input of a child process.
package final class JoinedStream: ByteStream {
  private let input: any ByteStream
  private let output: any ByteStream

  /// A stream that reads `input` and writes `output`, and closes both.
  package init(reading input: any ByteStream, writing output: any ByteStream) {
    self.input = input
    self.output = output
  }

  package var onRead: ((Chunk) -> Void)? {
    get { input.onRead }
    set { input.onRead = newValue }
  }
  package var onEnd: ((TransportError?) -> Void)? {
    get { input.onEnd }
    set { input.onEnd = newValue }
  }
  package var onWritable: (() -> Void)? {
    get { output.onWritable }
    set { output.onWritable = newValue }
  }
  package var onWriteFailure: ((TransportError) -> Void)? {
    get { output.onWriteFailure }
    set { output.onWriteFailure = newValue }
  }
  package var readLimit: Int {
    get { input.readLimit }
    set { input.readLimit = newValue }
  }
  package var queuedBytes: Int { output.queuedBytes }
  package var unreadBytes: Int { input.unreadBytes }
  package var hasWriters: Bool { input.hasWriters }
  package var peer: PeerIdentity { .inherited }

  package func resumeReading() { input.resumeReading() }
  package func pauseReading() { input.pauseReading() }
  @discardableResult
  package func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool {
    output.write(head, body)
  }
  package func finishWriting() { output.finishWriting() }
  package func close() {
    input.close()
    output.close()
  }
}
