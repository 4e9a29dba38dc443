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
      var sent = 0
      if queue.isEmpty {
        sent =
          total > TLSMemory.recordLength
          ? gather { writeRecords(head, body) } : writeRecords(head, body)
      }
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

  /// Sends records until the lower stream queues some.
  ///
  /// - Returns: how many of the plain bytes were sent.
  private func writeRecords(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Int {
    guard let body, !body.isEmpty else { return writeRecords(head) }
    // The head and the beginning of the body share the last record of the head.
    let whole = head.count - head.count % TLSMemory.recordLength
    var sent = writeRecords(UnsafeRawBufferPointer(rebasing: head[..<whole]))
    guard sent == whole, !isLowerBlocked else { return sent }
    let end = head.count - whole
    let part = min(body.count, TLSMemory.recordLength - end)
    return body.withUnsafeBytes { bytes in
      if end > 0 {
        memory.record.copyMemory(from: UnsafeRawBufferPointer(rebasing: head[whole...]))
        UnsafeMutableRawBufferPointer(rebasing: memory.record[end...])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<part]))
        sent += writeRecords(UnsafeRawBufferPointer(rebasing: memory.record[..<(end + part)]))
      }
      // Nothing of the last record was sent, or all of it.
      guard sent >= head.count else { return sent }
      return sent
        + writeRecords(UnsafeRawBufferPointer(rebasing: bytes[(sent - head.count)...]))
    }
  }

  /// Sends `bytes` in records of the full length until the lower stream queues some.
  private func writeRecords(_ bytes: UnsafeRawBufferPointer) -> Int {
    var sent = 0
    while sent < bytes.count, !isLowerBlocked, let tls, let start = bytes.baseAddress {
      if recordsWithKey == recordsPerKey {
        // If memory runs out, the write fails.
        _ = telpher_tls_update_key(tls)
        recordsWithKey = 0
        keyChanges += 1
      }
      let records = min(recordsPerKey - recordsWithKey, isGathering ? memory.batch.room : 1)
      let count = min(bytes.count - sent, records * TLSMemory.recordLength)
      guard telpher_tls_write(tls, start + sent, count) == TELPHER_TLS_DONE else {
        failLater(failure(of: tls))
        return sent
      }
      recordsWithKey += (count + TLSMemory.recordLength - 1) / TLSMemory.recordLength
      sent += count
      if memory.batch.room == 0 { passBatch() }
    }
    return sent
  }

  /// Gathers the records that `make` sends, and passes them to the lower stream together.
  ///
  /// - Returns: the result of `make`.
  private func gather(_ make: () -> Int) -> Int {
    isGathering = true
    let sent = make()
    isGathering = false
    passBatch()
    return sent
  }

  private func passBatch() {
    guard let records = memory.batch.take() else { return }
    if !lower.write(UnsafeRawBufferPointer(start: nil, count: 0), records) { isLowerBlocked = true }
  }

  /// Passes the bytes of a record to the lower stream, or adds them to those that are being gathered.
  /// The library calls it.
  func send(_ record: UnsafeRawBufferPointer) {
    // After this side's end the library may still answer a message, or report an error; the peer
    // expects nothing any more.
    switch writing {
    case .finished, .failed: return
    case .open, .finishing: break
    }
    if isGathering {
      memory.batch.add(record)
    } else if !lower.write(record, nil) {
      isLowerBlocked = true
    }
  }

  func lowerDidBecomeWritable() {
    isLowerBlocked = false
    writeQueue()
  }

  /// Sends what is queued as far as the lower stream takes it, and reports when nothing is left.
  func writeQueue() {
    guard case .open = phase else { return }
    let sent = gather { writeFromQueue() }
    if case .failed = writing { return }
    queueCount -= sent
    guard queue.isEmpty else { return }
    finishIfWritten()
    guard owesWritable, !isLowerBlocked else { return }
    owesWritable = false
    onWritable?()
  }

  /// Sends what is queued, and removes it.
  ///
  /// - Returns: how many of the plain bytes were sent.
  private func writeFromQueue() -> Int {
    var (count, total) = (0, 0)
    while count < queue.count, !isLowerBlocked {
      let sent = queue[count].withUnsafeBytes { writeRecords($0) }
      total += sent
      if case .failed = writing { return 0 }
      guard sent == queue[count].count else {
        queue[count] = queue[count].slice(sent..<queue[count].count)
        break
      }
      count += 1
    }
    queue.removeFirst(count)
    return total
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
