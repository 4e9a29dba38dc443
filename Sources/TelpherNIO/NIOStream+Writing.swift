internal import Glibc
internal import NIOCore
internal import TelpherTransport

extension NIOStream {
  @discardableResult
  func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool {
    loop.preconditionIsCurrent()
    precondition(!isFinished, "nothing is written after finishWriting()")
    guard !hasFailed, !isClosed else { return true }
    guard head.count + (body?.count ?? 0) > 0 else { return !owesWritable }
    guard isOpen else { return failLater() }
    let (first, second) = loop.writes.buffers(head, body)
    callNIO { context in
      context.write(wrapOutboundOut(first), promise: nil)
      if let second { context.write(wrapOutboundOut(second), promise: nil) }
      context.flush()
    }
    guard isOpen else { return failLater() }
    if !owesWritable {
      if queuedBytes == 0 { return true }
      owesWritable = true
      markQueue()
    }
    if let body, body.storage.owner is SharedBuffer { queuedStorages.append(body.storage) }
    return false
  }

  var queuedBytes: Int {
    loop.preconditionIsCurrent()
    guard !hasFailed, let options else { return 0 }
    return (try? options.getOption(.bufferedWritableBytes)) ?? 0
  }

  func finishWriting() {
    loop.preconditionIsCurrent()
    guard !isFinished, !isClosed else { return }
    isFinished = true
    if !owesWritable { endOutput() }
  }

  /// Ends the writing side. Call it only while nothing is queued: if the peer's bytes have ended,
  /// NIO would drop queued writes.
  private func endOutput() {
    switch carrier {
    case .socket: callNIO { $0.close(mode: .output, promise: nil) }
    case .input: break
    case .output(let descriptor):
      if isOpen {
        // shutdown(2) ends a socket's writing side even if another descriptor, here or in another
        // process, keeps the socket open. On a pipe it fails, and closing the descriptor ends the
        // stream.
        _ = shutdown(descriptor, Int32(SHUT_WR))
        closeChannel()
      }
      // The stream can't call back any more. Closing it releases its callbacks.
      loop.callLater { [self] in close() }
    }
  }

  /// Queues an empty write. Its promise reports when everything queued before it was sent.
  private func markQueue() {
    guard let context else { return }
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.assumeIsolated().whenComplete { [self] result in
      switch result {
      // Delayed, because NIO is writing now and would queue anything that is written meanwhile.
      case .success: loop.callLater { [self] in queueDidEmpty() }
      case .failure(let error):
        lastError = lastError ?? error
        _ = failLater()
      }
    }
    callNIO { $0.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise) }
  }

  private func queueDidEmpty() {
    guard !isClosed, !hasFailed, owesWritable else { return }
    // More may have been written after the mark.
    guard queuedBytes == 0 else { return markQueue() }
    owesWritable = false
    queuedStorages = []
    if isFinished { endOutput() }
    onWritable?()
  }

  /// Reports a failure later, not from within the call that failed. Returns the result of `write`:
  /// true, because nothing was queued and `onWritable` will not follow.
  private func failLater() -> Bool {
    guard !hasFailed, !isClosed else { return true }
    hasFailed = true
    owesWritable = false
    queuedStorages = []
    // NIO reports no reason for a write without a promise. EPIPE is the usual one.
    let what = "write to \(peer)"
    var error = lastError.map { TransportError(what, $0) } ?? TransportError(what, errno: EPIPE)
    if error.code != .broken { error = TransportError(what, errno: EPIPE) }
    loop.callLater { [self] in
      guard !isClosed else { return }
      if isFinished { endOutput() }
      onWriteFailure?(error)
    }
    return true
  }
}
