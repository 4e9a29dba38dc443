internal import CLibUV
internal import Glibc
internal import TelpherTransport

extension UVStream {
  @discardableResult
  func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool {
    loop.preconditionIsCurrent()
    precondition(!isFinished, "nothing is written after finishWriting()")
    guard let output, !hasFailed else { return true }
    let bodyCount = body?.count ?? 0
    let total = head.count + bodyCount
    guard total > 0 else { return !owesWritable }
    var sent = 0
    if writesUnderWay == 0 {
      sent = Int(
        tuv_try_write(
          output, head.baseAddress, head.count, body.map { $0.storage.memory + $0.lowerBound },
          bodyCount))
      if sent == total { return true }
      if sent < 0 {
        guard sent == Int(UV_EAGAIN.rawValue) else { return failLater(Int32(sent)) }
        sent = 0
      }
    }
    let rest = UnsafeRawBufferPointer(rebasing: head.dropFirst(sent))
    let status = WriteRequest.start(
      rest, body, from: max(0, sent - head.count), on: self, output)
    guard status == 0 else { return failLater(status) }
    writesUnderWay += 1
    // uv_write tries to write once more. If the system took everything, the caller need not wait,
    // although libuv's callback for the write comes later.
    if uv_stream_get_write_queue_size(output) == 0 && !owesWritable { return true }
    owesWritable = true
    return false
  }

  var queuedBytes: Int {
    loop.preconditionIsCurrent()
    guard let output, !hasFailed else { return 0 }
    return uv_stream_get_write_queue_size(output)
  }

  func finishWriting() {
    loop.preconditionIsCurrent()
    guard !isFinished, !isClosed else { return }
    isFinished = true
    guard isDuplex, let output else { return finishSeparateOutput() }
    // libuv shuts the writing side down after the queued writes. If that fails, the peer is gone,
    // and the reading side reports it.
    let request = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)
    if uv_shutdown(request, output, shutdownDidFinish) != 0 { request.deallocate() }
  }

  /// Ends the writing side of a stream with two handles once nothing is queued.
  private func finishSeparateOutput() {
    guard let output, isFinished, writesUnderWay == 0 || hasFailed else { return }
    // shutdown(2) ends a socket's writing side even if another descriptor, here or in another
    // process, keeps the socket open. On a pipe it fails, and closing the descriptor ends the
    // stream.
    _ = shutdown(Handle.descriptor(of: output), Int32(SHUT_WR))
    closeOutput()
  }

  /// Handles libuv's callback for one queued write. Callbacks come in the order of the writes.
  func didFinishWrite(_ status: Int32) {
    writesUnderWay -= 1
    guard !isClosed, !hasFailed else { return }
    if status != 0 { return fail(status) }
    guard writesUnderWay == 0 else { return }
    if isFinished && !isDuplex { finishSeparateOutput() }
    guard owesWritable else { return }
    owesWritable = false
    onWritable?()
  }

  /// Reports a failure later, not from within the call that failed. Returns the result of `write`:
  /// true, because nothing was queued and `onWritable` will not follow.
  private func failLater(_ status: Int32) -> Bool {
    hasFailed = true
    loop.callLater { [self] in reportFailure(status) }
    return true
  }

  private func fail(_ status: Int32) {
    hasFailed = true
    reportFailure(status)
  }

  private func reportFailure(_ status: Int32) {
    guard !isClosed else { return }
    if isFinished && !isDuplex { finishSeparateOutput() }
    onWriteFailure?(UVStatus(status).error("write to \(peer)"))
  }
}

private func shutdownDidFinish(_ request: UnsafeMutablePointer<uv_shutdown_t>?, _: Int32) {
  request!.deallocate()
}
