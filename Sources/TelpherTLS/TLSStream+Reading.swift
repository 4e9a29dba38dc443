internal import CTelpherTLS
internal import TelpherTransport

extension TLSStream {
  package func resumeReading() {
    loop.checkIsolated()
    if isReading { return }
    switch reading {
    case .ended: return
    case .open, .endKnown: break
    }
    switch phase {
    case .closed: return
    case .new:
      isReading = true
      startHandshake()
    case .shakingHands: isReading = true
    case .failed:
      isReading = true
      scheduleRead()
    case .open:
      isReading = true
      // Bytes that have arrived already come later: no callback comes from within this call.
      if hasInput { scheduleRead() } else { lower.resumeReading() }
    }
  }

  package func pauseReading() {
    loop.checkIsolated()
    isReading = false
    if case .open = phase { lower.pauseReading() }
  }

  package var unreadBytes: Int {
    loop.checkIsolated()
    if case .closed = phase { return 0 }
    return lower.unreadBytes + (tls.map { telpher_tls_unused($0) } ?? 0)
  }

  package var hasWriters: Bool {
    loop.checkIsolated()
    guard case .open = reading else { return false }
    return lower.hasWriters
  }

  private var hasInput: Bool {
    guard case .open = reading else { return true }
    return tls.map { telpher_tls_unused($0) > 0 } ?? false
  }

  private func scheduleRead() {
    guard !isReadScheduled else { return }
    isReadScheduled = true
    _ = loop.schedule(after: 0) { [self] in
      isReadScheduled = false
      readRecords()
    }
  }

  /// Takes bytes from the lower stream.
  func didRead(_ chunk: Chunk) {
    guard let tls else { return }
    // The lower stream is paused while bytes wait, and the library has taken all earlier ones.
    input = chunk
    telpher_tls_give(tls, chunk.storage.memory + chunk.lowerBound, chunk.count)
    if case .shakingHands = phase { continueHandshake() }
    if case .open = phase {
      readRecords()
      if !isReading, case .open = phase { lower.pauseReading() }
    }
  }

  /// Decrypts what has arrived, as long as the owner reads, and reports the end.
  func readRecords() {
    while isReading {
      switch reading {
      case .endKnown: return endReading(nil)
      case .ended: return
      case .open: break
      }
      switch phase {
      case .failed(let error): return endReading(error)
      case .new, .shakingHands, .closed: return
      case .open: break
      }
      guard let tls else { preconditionFailure("an open stream has it") }
      let room = memory.plain.prepare(limit: readLimit)
      var filled = 0
      var status = TELPHER_TLS_DONE
      while filled < room.count, status == TELPHER_TLS_DONE {
        var count = 0
        status = telpher_tls_read(
          tls, room.baseAddress.map { $0 + filled }, room.count - filled, &count)
        filled += count
      }
      if status != TELPHER_TLS_DONE { input = nil }
      if status == TELPHER_TLS_ENDED { reading = .endKnown }
      // The owner may pause or close the stream here.
      if filled > 0 { onRead?(memory.plain.didFill(filled)) }
      switch status {
      case TELPHER_TLS_DONE: continue
      case TELPHER_TLS_NEEDS_INPUT:
        if isReading, case .open = phase { lower.resumeReading() }
        return
      case TELPHER_TLS_ENDED: continue
      default:
        guard case .open = phase else { return }
        return didFail(failure(of: tls))
      }
    }
  }

  private func endReading(_ error: TransportError?) {
    reading = .ended
    isReading = false
    if case .closed = phase {} else { lower.pauseReading() }
    onEnd?(error)
  }
}
