internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A relay's connection to one of its clients, for which the relay is the server.
final class RelayClient: LinkDelegate {
  let link: Link
  /// Whether it has used the server.
  private(set) var wasUsed = false
  /// How long it wants the relay to live after it, in nanoseconds; nil for no wish.
  private(set) var keep: UInt64?
  /// The PINGs that the server has not answered.
  var pings = 0
  /// Retained: a connection that is being refused may end after the relay's server object. The relay
  /// releases the client when its connection has ended.
  private let relay: Relay
  private var streams: [StreamID: RelayedStream] = [:]
  /// Whether the connection ends with the last stream.
  private var isLeaving = false
  private var helloTimer: (any LoopTimer)?
  /// Fires if the server has sent nothing within the client's `answer_ms`.
  private var answerTimer: (any LoopTimer)?

  init(_ link: Link, of relay: Relay) {
    self.link = link
    self.relay = relay
  }

  /// Begins to serve the client.
  ///
  /// - Parameter helloTimeout: how long it has to send its HELLO, in nanoseconds; nil for no limit.
  func start(helloTimeout: UInt64?) {
    helloTimer = helloTimeout.map { limit in
      link.loop.schedule(after: limit) { [unowned self] in
        link.fail(WireError(.timeout, "no HELLO arrived within \(limit / 1_000_000) ms"))
      }
    }
    link.passPings { [unowned self] number in
      wasUsed = true
      relay.ping(number, of: self)
    }
    link.start(delegate: self)
  }

  /// Refuses the client before its HELLO.
  func refuse(_ error: WireError) {
    link.start(delegate: self)
    link.fail(error)
  }

  /// The number of open streams.
  var openStreams: Int { streams.count }

  // MARK: From the relay

  func streamDidOpen(_ stream: RelayedStream) { streams[stream.near] = stream }

  func streamDidEnd(_ stream: RelayedStream) {
    streams[stream.near] = nil
    relay.streamDidEnd(stream)
    finishIfLeft()
  }

  /// The server accepts no streams above `last`.
  func serverGoesAway(after last: StreamID, _ code: ErrorCode, _ reason: String) {
    for stream in streams.values where stream.far > last { stream.refuse(reason) }
    link.goAway(code, reason: reason)
  }

  /// The connection to the server is lost. The client first gets everything that has arrived.
  func serverIsLost(_ reason: String) {
    link.goAway(.lost, reason: reason)
    isLeaving = true
    for stream in streams.values { stream.serverDidEnd(.reset(.lost, reason)) }
    finishIfLeft()
  }

  /// Ends the connection at once.
  func end(_ reason: String) {
    link.goAway(.lost, reason: reason)
    link.finish()
  }

  private func finishIfLeft() {
    if isLeaving && streams.isEmpty { link.finish() }
  }

  // MARK: LinkDelegate

  func link(_ link: Link, didReceive hello: Hello) {
    helloTimer?.cancel()
    helloTimer = nil
    link.lingersAfterFault = true
    keep = hello.keepMS.map { $0.multipliedReportingOverflow(by: 1_000_000) }
      .map { $0.overflow ? .max : $0.partialValue }
    link.announce()
    if let answer = hello.answerMS { expectAnswer(within: answer) }
  }

  /// Ends this connection if nothing arrives from the server for `limit` milliseconds from now on.
  private func expectAnswer(within limit: UInt64) {
    let asked = relay.askServer()
    let (nanoseconds, overflow) = limit.multipliedReportingOverflow(by: 1_000_000)
    guard !overflow else { return }
    answerTimer = link.loop.schedule(after: nanoseconds) { [unowned self] in
      guard !relay.hasHeardServer(since: asked) else { return }
      end(
        "the server has not answered within \(limit) ms: the network or the other machine may be down; whether it has started anything is unknown"
      )
    }
  }

  func link(_ link: Link, didOpen stream: StreamID, request: [UInt8], noInput: Bool) {
    wasUsed = true
    relay.open(request, noInput: noInput, for: self, stream)
  }

  func link(_ link: Link, didReceive chunk: Chunk, on stream: StreamID, _ channel: Channel) {
    guard let relayed = streams[stream] else {
      return link.consume(stream, channel, chunk.count)
    }
    relayed.receiveFromClient(chunk, channel)
  }

  func link(_ link: Link, didFinish channel: Channel, of stream: StreamID) {
    streams[stream]?.finishFromClient(channel)
  }

  func link(_ link: Link, didReceiveControl message: [UInt8], for stream: StreamID) {
    guard let relayed = streams[stream] else { return }
    guard relay.mayGather(message.count) else {
      return link.fail(WireError(.limitReached, "the server does not read its messages"))
    }
    relayed.receiveControlFromClient(message)
  }

  func link(_ link: Link, didReset stream: StreamID, _ code: ErrorCode, reason: String) {
    endStream(stream, code, reason)
  }

  private func endStream(_ stream: StreamID, _ code: ErrorCode, _ reason: String) {
    guard let relayed = streams.removeValue(forKey: stream) else { return }
    relayed.clientDidEnd(code, reason)
    relay.streamDidEnd(relayed)
    finishIfLeft()
  }

  func link(_ link: Link, didEnd end: LinkEnd) {
    helloTimer?.cancel()
    answerTimer?.cancel()
    isLeaving = false
    for stream in Array(streams.keys) { endStream(stream, .lost, "the client is gone") }
    relay.clientDidEnd(self)
  }

  // A client closes no streams, and the relay sends it no PINGs that it must hear of.
  func link(_ link: Link, didClose stream: StreamID, result: [UInt8]) {}
  func link(_ link: Link, willGoAwayAfter last: StreamID, _ code: ErrorCode, reason: String) {}
  func link(_ link: Link, didReceivePong number: UInt64) {}
}
