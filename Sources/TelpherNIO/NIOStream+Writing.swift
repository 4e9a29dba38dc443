internal import Glibc
internal import NIOCore
internal import TelpherTransport

extension NIOStream {
  @discardableResult
  func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool {
    loop.preconditionIsCurrent()
    precondition(output.isUnfinished || isClosed, "nothing is written after finishWriting()")
    guard !output.hasFailed, !isClosed else { return true }
    guard head.count + (body?.count ?? 0) > 0 else { return !output.isQueued }
    guard channel.isOpen else { return failLater() }
    let (first, second) = loop.writes.buffers(head, body)
    callNIO { context in
      context.write(wrapOutboundOut(first), promise: nil)
      if let second { context.write(wrapOutboundOut(second), promise: nil) }
      context.flush()
    }
    guard channel.isOpen else { return failLater() }
    if !output.isQueued {
      if queuedBytes == 0 { return true }
      output.didQueue()
      markQueue()
    }
    if let body, body.storage.owner is SharedBuffer { output.keep(body.storage) }
    return false
  }

  var queuedBytes: Int {
    loop.preconditionIsCurrent()
    guard !output.hasFailed, let options = channel.options else { return 0 }
    return (try? options.getOption(.bufferedWritableBytes)) ?? 0
  }

  func finishWriting() {
    loop.preconditionIsCurrent()
    guard !isClosed else { return }
    if output.finish() { endOutput() }
  }

  /// Ends the writing side. Call it only while nothing is queued: if the peer's bytes have ended,
  /// NIO would drop queued writes.
  private func endOutput() {
    switch carrier {
    case .socket: callNIO { $0.close(mode: .output, promise: nil) }
    case .input: break
    case .output(let descriptor):
      if channel.isOpen {
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
    guard let context = channel.context else { return }
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.assumeIsolated().whenComplete { [self] result in
      switch result {
      // Delayed, because NIO is writing now and would queue anything that is written meanwhile.
      case .success: loop.callLater { [self] in queueDidEmpty() }
      case .failure(let error):
        channel.lastError = channel.lastError ?? error
        _ = failLater()
      }
    }
    callNIO { $0.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise) }
  }

  private func queueDidEmpty() {
    guard !isClosed, output.isQueued else { return }
    // More may have been written after the mark.
    guard queuedBytes == 0 else { return markQueue() }
    switch output.queueDidEmpty() {
    case .wait: return
    case .reportWritable: break
    case .endAndReportWritable: endOutput()
    }
    onWritable?()
  }

  /// Reports a failure later, not from within the call that failed. Returns the result of `write`:
  /// true, because nothing was queued and `onWritable` will not follow.
  private func failLater() -> Bool {
    guard !isClosed else { return true }
    let action = output.fail()
    if case .wait = action { return true }
    // NIO reports no reason for a write without a promise. EPIPE is the usual one.
    let what = "write to \(peer)"
    var error =
      channel.lastError.map { TransportError(what, $0) }
      ?? TransportError(what, errno: EPIPE)
    if error.code != .broken { error = TransportError(what, errno: EPIPE) }
    loop.callLater { [self] in
      guard !isClosed else { return }
      if case .endAndReport = action { endOutput() }
      onWriteFailure?(error)
    }
    return true
  }
}
