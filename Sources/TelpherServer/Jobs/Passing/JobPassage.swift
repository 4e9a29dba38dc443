internal import Glibc
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// Passes a client's streams on to the job host, or to a process that acts as another user, over a
/// connection of their own. So the limits and windows of one connection hold for each client. Use it
/// only on its loop's thread.
final class JobPassage: LinkDelegate {
  /// The states.
  private enum State {
    /// There is no connection. Next: connecting.
    case idle
    /// The host is being reached or started. Next: greeting, idle.
    case connecting
    /// The host's HELLO is awaited. Next: open, connecting (the host was ending), idle.
    case greeting(Link)
    /// Streams are passed on. Next: idle.
    case open(Link)
    /// The client is gone, and the connection to the host ends. Next: over.
    case ending(Link, JobPassage)
    /// The client is gone. Final.
    case over
  }

  private let host: any StreamHost
  private let loop: any EventLoop
  private var state = State.idle
  /// The streams that wait for the connection.
  private var waiting: [any HostStream] = []
  /// The open streams, by their number to the host.
  private var streams: [StreamID: any HostStream] = [:]
  private var attempts = 0
  /// When the last connection to the host was made.
  private var greetedAt: UInt64 = 0

  /// How often to connect: a host that is ending refuses a connection that it has accepted.
  private static let maxAttempts = 5
  /// How long the host may take to answer, in nanoseconds: it is on the same machine.
  private static let openingLimit: UInt64 = 5_000_000_000
  /// The initial window of each channel for the host's output: a small one is enough, since the
  /// host is on the same machine.
  private static let window: UInt64 = 256 << 10

  init(to host: any StreamHost, on loop: any EventLoop) {
    self.host = host
    self.loop = loop
  }

  /// Opens a stream to the host for `stream`.
  func open(_ stream: any HostStream) {
    switch state {
    case .open(let link): open(stream, over: link)
    case .idle:
      waiting.append(stream)
      attempts = 0
      connect(startsHost: false)
    case .connecting, .greeting: waiting.append(stream)
    case .ending, .over: break
    }
  }

  private func open(_ stream: any HostStream, over link: Link) {
    do throws(WireError) {
      let far = try link.open(stream.request, noInput: stream.noInput)
      streams[far] = stream
      stream.didOpen(far, over: link)
    } catch {
      stream.refuse(error.message)
    }
  }

  func streamDidEnd(_ far: StreamID) { streams[far] = nil }

  /// The client is gone.
  func end() {
    let old = state
    state = .over
    waiting = []
    switch old {
    case .greeting(let link), .open(let link):
      // The link needs this object until its end.
      state = .ending(link, self)
      link.finish()
    case .idle, .connecting, .ending, .over: break
    }
  }

  // MARK: Connecting

  private func connect(startsHost: Bool) {
    state = .connecting
    attempts += 1
    guard startsHost else { return connect() }
    let (host, loop) = (host, loop)
    nonisolated(unsafe) let passage = self
    let error = startThread {
      let failure = host.start()
      loop.execute {
        if let failure { passage.fail(failure) } else { passage.connect() }
      }
    }
    if error != 0 { fail("no thread can be started: \(describe(errno: error))") }
  }

  private func connect() {
    loop.connect(to: host.address) { [self] result in
      guard case .connecting = state else { return (try? result.get())?.close() ?? () }
      switch result {
      case .success(let stream): greet(stream)
      case .failure(let error):
        finishThoseWithoutNeed()
        guard !waiting.isEmpty else {
          state = .idle
          return
        }
        guard attempts < Self.maxAttempts else { return fail(error.message) }
        connect(startsHost: true)
      }
    }
  }

  /// No host listens: ends the streams for which none needs to be started.
  private func finishThoseWithoutNeed() {
    let all = waiting
    waiting = []
    for stream in all where stream.isOpen {
      if let result = stream.withoutHost { stream.finish(result) } else { waiting.append(stream) }
    }
  }

  private func greet(_ stream: any ByteStream) {
    guard case .user(let uid, _) = stream.peer, uid == host.owner || uid == geteuid() else {
      stream.close()
      return fail("another user's program listens at \(host.address)")
    }
    var configuration = LinkConfiguration()
    configuration.windowGrowth = 0
    configuration.openingLimit = Self.openingLimit
    let link = Link(
      role: .client, stream: stream, loop: loop,
      hello: Hello(window: Self.window, connectionWindow: WireConstants.maxOffset),
      configuration: configuration)
    state = .greeting(link)
    greetedAt = loop.now
    link.start(delegate: self)
  }

  private func fail(_ reason: String) {
    guard case .connecting = state else { return }
    state = .idle
    let failed = waiting
    waiting = []
    for stream in failed {
      stream.refuse("\(host.name) can't be reached: \(reason)")
    }
  }

  // MARK: LinkDelegate

  func link(_ link: Link, didReceive hello: Hello) {
    guard case .greeting = state else { return }
    state = .open(link)
    let opening = waiting
    waiting = []
    for stream in opening where stream.isOpen { open(stream, over: link) }
  }

  func link(_ link: Link, didReceive chunk: Chunk, on stream: StreamID, _ channel: Channel) {
    guard let passed = streams[stream] else { return link.consume(stream, channel, chunk.count) }
    passed.receiveFromHost(chunk, channel)
  }

  func link(_ link: Link, didFinish channel: Channel, of stream: StreamID) {
    streams[stream]?.finishFromHost(channel)
  }

  func link(_ link: Link, didReceiveControl message: [UInt8], for stream: StreamID) {
    streams[stream]?.receiveControlFromHost(message)
  }

  func link(_ link: Link, didClose stream: StreamID, result: [UInt8]) {
    streams[stream]?.hostDidEnd(.close(result))
  }

  func link(_ link: Link, didReset stream: StreamID, _ code: ErrorCode, reason: String) {
    streams[stream]?.hostDidEnd(.reset(code, reason))
  }

  func link(_ link: Link, willGoAwayAfter last: StreamID, _ code: ErrorCode, reason: String) {}
  func link(_ link: Link, didReceivePong number: UInt64) {}
  func link(_ link: Link, didOpen stream: StreamID, request: [UInt8], noInput: Bool) {}

  func link(_ link: Link, didEnd end: LinkEnd) {
    switch state {
    case .greeting:
      state = .connecting
      // A host that has ended the connection early was ending itself and has run nothing, so
      // connect again. A host that was silent until the limit is not tried again.
      if attempts < Self.maxAttempts, loop.now - greetedAt < Self.openingLimit {
        return connect(startsHost: true)
      }
      switch end {
      case .finished, .closed: fail("it ended the connection")
      case .refused(_, let reason), .lost(let reason): fail(reason)
      case .peerFault(let error): fail(error.message)
      }
    case .open:
      state = .idle
      for stream in Array(streams.values) {
        stream.hostDidEnd(
          .reset(.lost, "\(host.name) has ended: its commands were killed"))
      }
    case .ending: state = .over
    case .idle, .connecting, .over: break
    }
  }
}
