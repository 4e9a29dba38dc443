internal import TelpherTransport
internal import TelpherWire

extension Link {
  /// Handles the events of a read from `position` on. If they take more work than one turn of the
  /// loop allows, handles the rest in later turns, so that the other connections are not delayed.
  func handleEvents(in chunk: Chunk, from position: Int) {
    var position = position
    var work = configuration.workPerTurn
    session.time = loop.now
    do throws(WireError) {
      try chunk.withUnsafeBytes { (bytes) throws(WireError) in
        // Loading a weak reference takes as long as a small frame does.
        var (delegate, version) = (delegate, delegateVersion)
        while isOpen, work > 0, let event = try session.nextEvent(in: bytes, at: &position) {
          work -= event.work
          handle(event, chunk, delegate)
          if version != delegateVersion { (delegate, version) = (self.delegate, delegateVersion) }
        }
      }
    } catch {
      fail(error)
    }
    useNewCredit()
    scheduleFlush()
    if isOpen, work <= 0 { postpone(chunk, from: position) }
  }

  private func postpone(_ rest: Chunk, from position: Int) {
    stream.pauseReading()
    restTimer = loop.schedule(after: 0) { [unowned self] in
      restTimer = nil
      handleEvents(in: rest, from: position)
      if isOpen, restTimer == nil, !state.isThrottled { stream.resumeReading() }
    }
  }

  /// Drops the rest of a read when the connection ends.
  func dropRest() {
    restTimer?.cancel()
    restTimer = nil
  }
}

extension SessionEvent {
  /// The work that an event causes, in units of `LinkConfiguration.workPerTurn`.
  fileprivate var work: Int {
    switch self {
    // Decoding takes about a microsecond for 16 bytes of many keys.
    case .open(_, let request, _): 16 + request.count / 16
    // A request is refused, a message decoded; a RESET may end a command.
    case .openPastLimit, .openWithoutRoom, .control, .reset: 16
    // The others take about a microsecond.
    case .data, .fin, .credit, .close, .ping, .pong, .hello, .goAway: 1
    }
  }
}
