internal import CLibUV
internal import TelpherTransport

/// A write that the system did not take at once. It keeps the bytes until libuv has called back,
/// which libuv does even for a closed stream. The streams of a loop share and reuse these requests.
final class WriteRequest {
  /// Bytes of room for a frame's header. A longer head is copied into a chunk instead.
  private static let headCapacity = 64
  /// How many unused requests a loop keeps at most.
  private static let spareLimit = 256

  private let memory = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
  private let shortHead = UnsafeMutableRawPointer.allocate(
    byteCount: WriteRequest.headCapacity, alignment: 16)
  private var longHead: Chunk?
  private var body: Chunk?
  private var stream: UVStream?

  deinit {
    memory.deallocate()
    shortHead.deallocate()
  }

  /// Queues a copy of `head` and the bytes of `body` from `bodyStart` on `handle` of `stream`.
  /// Returns libuv's status. If it is not 0, nothing was queued.
  static func start(
    _ head: UnsafeRawBufferPointer, _ body: Chunk?, from bodyStart: Int, on stream: UVStream,
    _ handle: UnsafeMutablePointer<uv_stream_t>
  ) -> Int32 {
    let request = stream.loop.spareWrites.popLast() ?? WriteRequest()
    let memory = request.memory
    memory.pointee.data = Unmanaged.passRetained(request).toOpaque()
    request.stream = stream
    request.body = body
    let kept = request.keep(head)
    let status = tuv_write(
      memory, handle, kept, head.count, body.map { $0.storage.memory + $0.lowerBound + bodyStart },
      (body?.count ?? 0) - bodyStart, writeDidFinish)
    if status != 0 { request.takeBack() }
    return status
  }

  private func keep(_ head: UnsafeRawBufferPointer) -> UnsafeRawPointer? {
    guard head.count > Self.headCapacity else {
      if let source = head.baseAddress { shortHead.copyMemory(from: source, byteCount: head.count) }
      return UnsafeRawPointer(shortHead)
    }
    let copy = Chunk(copying: head)
    longHead = copy
    return UnsafeRawPointer(copy.storage.memory)
  }

  fileprivate func didFinish(_ status: Int32) {
    let stream = takeBack()
    stream.didFinishWrite(status)
  }

  /// Releases the bytes and the stream, and keeps this request for reuse.
  @discardableResult
  private func takeBack() -> UVStream {
    guard let stream else { preconditionFailure("a request under way has a stream") }
    self.stream = nil
    longHead = nil
    body = nil
    if stream.loop.spareWrites.count < Self.spareLimit { stream.loop.spareWrites.append(self) }
    Unmanaged.passUnretained(self).release()
    return stream
  }
}

private func writeDidFinish(_ request: UnsafeMutablePointer<uv_write_t>?, _ status: Int32) {
  let data = request!.pointee.data!
  Unmanaged<WriteRequest>.fromOpaque(data).takeUnretainedValue().didFinish(status)
}
