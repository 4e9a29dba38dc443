internal import CTelpherTLS
package import TelpherTransport

extension TLSStream {
  @discardableResult
  package func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool {
    loop.checkIsolated()
    switch writing {
    case .open: break
    case .finishing, .finished: preconditionFailure("nothing is written after finishWriting()")
    case .failed: return true
    }
    switch phase {
    case .closed, .failed: return true
    case .new:
      startHandshake()
      enqueue(head, body, from: 0)
    case .shakingHands: enqueue(head, body, from: 0)
    case .open:
      let total = head.count + (body?.count ?? 0)
      let sent = queue.isEmpty ? writeRecords(head, body) : 0
      if case .failed = writing { return true }
      if sent < total { enqueue(head, body, from: sent) }
    }
    if queue.isEmpty && !isLowerBlocked { return true }
    owesWritable = true
    return false
  }

  package var queuedBytes: Int {
    loop.checkIsolated()
    if case .closed = phase { return 0 }
    return queueCount + lower.queuedBytes
  }

  package func finishWriting() {
    loop.checkIsolated()
    guard case .open = writing else { return }
    switch phase {
    case .closed, .failed: return
    case .new, .shakingHands, .open: break
    }
    writing = .finishing
    if case .new = phase { startHandshake() }
    finishIfWritten()
  }

  /// Sends close_notify once nothing is queued.
  private func finishIfWritten() {
    guard case .finishing = writing, case .open = phase, queue.isEmpty, let tls else { return }
    telpher_tls_finish(tls)
    writing = .finished
    lower.finishWriting()
  }

  /// Queues `head` and `body` from byte `start` of both on.
  private func enqueue(_ head: UnsafeRawBufferPointer, _ body: Chunk?, from start: Int) {
    if start < head.count {
      queue.append(Chunk(copying: UnsafeRawBufferPointer(rebasing: head[start...])))
      queueCount += head.count - start
    }
    let first = max(0, start - head.count)
    if let body, first < body.count {
      queue.append(body.slice(first..<body.count))
      queueCount += body.count - first
    }
  }

  /// Sends records until the lower stream queues one.
  ///
  /// - Returns: how many of the plain bytes were sent.
  private func writeRecords(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Int {
    var sent = 0
    if sent < head.count, !isLowerBlocked, let body, !body.isEmpty {
      // The head and the beginning of the body share the last record of the head.
      let whole = head.count - head.count % TLSMemory.recordLength
      sent = writeRecords(UnsafeRawBufferPointer(rebasing: head[..<whole]))
      guard sent == whole, !isLowerBlocked else { return sent }
      let end = head.count - whole
      let part = min(body.count, TLSMemory.recordLength - end)
      memory.record.copyMemory(from: UnsafeRawBufferPointer(rebasing: head[whole...]))
      body.withUnsafeBytes { bytes in
        UnsafeMutableRawBufferPointer(rebasing: memory.record[end...])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<part]))
      }
      sent += writeRecords(UnsafeRawBufferPointer(rebasing: memory.record[..<(end + part)]))
    } else {
      sent = writeRecords(head)
    }
    guard let body, sent >= head.count else { return sent }
    return sent
      + body.withUnsafeBytes { bytes in
        writeRecords(UnsafeRawBufferPointer(rebasing: bytes[(sent - head.count)...]))
      }
  }

  /// Sends `bytes` in records of the full length until the lower stream queues one.
  private func writeRecords(_ bytes: UnsafeRawBufferPointer) -> Int {
    var sent = 0
    while sent < bytes.count, !isLowerBlocked, let tls, let start = bytes.baseAddress {
      let count = min(bytes.count - sent, TLSMemory.recordLength)
      if recordsWithKey == recordsPerKey {
        // If memory runs out, the write fails.
        _ = telpher_tls_update_key(tls)
        recordsWithKey = 0
        keyChanges += 1
      }
      guard telpher_tls_write(tls, start + sent, count) == TELPHER_TLS_DONE else {
        failLater(failure(of: tls))
        return sent
      }
      recordsWithKey += 1
      sent += count
    }
    return sent
  }

  /// Passes the bytes of a record to the lower stream. The library calls it.
  func send(_ record: UnsafeRawBufferPointer) {
    // After this side's end the library may still answer a message, or report an error; the peer
    // expects nothing any more.
    switch writing {
    case .finished, .failed: return
    case .open, .finishing: break
    }
    if !lower.write(record, nil) { isLowerBlocked = true }
  }

  func lowerDidBecomeWritable() {
    isLowerBlocked = false
    writeQueue()
  }

  /// Sends what is queued as far as the lower stream takes it, and reports when nothing is left.
  func writeQueue() {
    guard case .open = phase else { return }
    var count = 0
    while count < queue.count, !isLowerBlocked {
      let sent = queue[count].withUnsafeBytes { writeRecords($0) }
      queueCount -= sent
      if case .failed = writing { return }
      guard sent == queue[count].count else {
        queue[count] = queue[count].slice(sent..<queue[count].count)
        break
      }
      count += 1
    }
    queue.removeFirst(count)
    guard queue.isEmpty else { return }
    finishIfWritten()
    guard owesWritable, !isLowerBlocked else { return }
    owesWritable = false
    onWritable?()
  }

  /// Reports a failure later, not from within the call that failed.
  private func failLater(_ error: TransportError) {
    writing = .failed
    dropQueue()
    _ = loop.schedule(after: 0) { [weak self] in self?.onWriteFailure?(error) }
  }

  /// Ends the writing side, because the peer or the connection is gone.
  func writingDidFail(_ error: TransportError) {
    switch writing {
    case .finished, .failed: return
    case .open, .finishing: break
    }
    writing = .failed
    dropQueue()
    onWriteFailure?(error)
  }

  private func dropQueue() {
    (queue, queueCount) = ([], 0)
    owesWritable = false
  }
}
