internal import Glibc
internal import Logging
internal import Synchronization
internal import TelpherAccess
internal import TelpherFileStore
internal import TelpherKeys
internal import TelpherLink
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

/// One client's connection: its state, and the work of each of its streams. Use it only on its
/// loop's thread.
final class ServerConnection: LinkDelegate {
  let link: Link
  unowned let server: ServerCore
  private let logger: Logger
  var streams: [StreamID: any StreamWork] = [:]
  /// How many commands and file requests are still ending although their stream is gone. They count
  /// towards `maxStreams`.
  private(set) var endingCount = 0
  let fileLine: FileLine
  let sockets: ConnectionSockets
  /// Pass streams on to job hosts (for the owner also to those of other identities) and to processes that
  /// act as other users. The keys are the addresses of these processes.
  private var passages: [String: JobPassage] = [:]
  /// Whether the client was admitted, and the limit that the connection counts towards.
  private(set) var state: ConnectionState
  /// When a stream was last opened or ended, on the loop's clock.
  private var lastUsed: UInt64
  /// The client's identity and rights. A stranger's requests are not carried out before they are
  /// known.
  private(set) var client: Client
  /// Records what the client does.
  private(set) var audit: ConnectionAudit
  /// Decides about the client's ssh keys; nil if it proves itself in another way, and once it has.
  private var keyCheck: KeyCheck?
  /// The listener that has accepted it as a stranger; nil if its transport identifies the peer.
  let entrance: ServerCore.Entrance?
  /// The cipher and the group of its TLS; nil without.
  private let tls: String?

  /// - Parameters:
  ///   - quota: the limit that the connection counts towards.
  ///   - entrance: the listener that has accepted it as a stranger, if it is one.
  ///   - client: who the client is if it is no stranger, or once it has proved that it knows the token.
  ///   - keyCheck: decides about the client if it has sent signatures.
  init(
    link: Link, server: ServerCore, quota: ConnectionState.Quota, entrance: ServerCore.Entrance?,
    tls: String?, client: Client, keyCheck: KeyCheck?, logger: Logger
  ) {
    self.link = link
    self.client = client
    self.keyCheck = keyCheck
    self.server = server
    self.entrance = entrance
    self.tls = tls
    self.logger = logger
    state = ConnectionState(quota)
    lastUsed = link.loop.now
    let number = server.counters.lastConnection.add(1, ordering: .relaxed).newValue
    audit = ConnectionAudit(server.configuration.audit, connection: number) { why in
      logger.error("an action of a client is not recorded", metadata: ["why": "\(why)"])
    }
    fileLine = FileLine(server.workers, server.configuration)
    sockets = ConnectionSockets(
      server.configuration, server.counters, server.lookup, server.registry)
    link.lingersAfterFault = quota != .strangers
  }

  func start() {
    let timer = link.loop.schedule(after: openingTimeout) { [unowned self] in
      guard link.hasUnreadBytes else { return helloTimedOut() }
      // This process may have been suspended: read the bytes that have arrived first.
      state.awaitHello(
        until: link.loop.schedule(after: Self.lastChance) { [unowned self] in helloTimedOut() })
    }
    state.awaitHello(until: timer)
    link.start(delegate: self)
  }

  /// Time for the loop to read a HELLO that has arrived already, in nanoseconds.
  private static let lastChance: UInt64 = 1_000_000_000

  /// How long the client has for its HELLO, in nanoseconds.
  private var openingTimeout: UInt64 {
    keyCheck == nil ? server.configuration.helloTimeout : server.configuration.loginTimeout
  }

  private func helloTimedOut() {
    let seconds = Double(openingTimeout) / 1_000_000_000
    link.fail(WireError(.timeout, "no HELLO arrived within \(seconds) s"))
  }

  /// Refuses new streams (GOAWAY) and lets the open ones finish.
  func drain() {
    guard state.hasOpened else {
      return link.fail(WireError(.shuttingDown, "the server is ending"))
    }
    link.goAway(.shuttingDown, reason: "the server is ending")
    sockets.endListeners()
    finishIfDrained()
  }

  /// Asks the client to leave when it can, because another process serves new clients.
  func askToLeave() {
    guard state.hasOpened else { return }
    link.askToLeave(reason: "the server was replaced: connect again for further work")
  }

  /// Ends the connection to a replaced server if the client has not used it for some time.
  func endIfIdle() {
    guard state.hasOpened, streams.isEmpty, endingCount == 0,
      link.loop.now - lastUsed >= server.configuration.idleAfterReplacement
    else { return }
    link.goAway(.shuttingDown, reason: "the server was replaced: connect again")
    link.finish()
  }

  /// Refuses the client with `error`, before its HELLO is answered. A stranger's connection is
  /// closed without waiting for the client to read the error.
  func refuse(_ error: WireError) {
    server.uncount(self)
    if state.refuse() { link.start(delegate: self) }
    link.fail(error)
  }

  /// Ends the stream of work that is over. If the stream is gone already, the work only stops
  /// counting towards `maxStreams`.
  func workDidFinish(_ work: any StreamWork, _ stream: StreamID, _ closing: StreamClosing) {
    lastUsed = link.loop.now
    guard streams[stream] === work else {
      endingCount -= 1
      return
    }
    streams[stream] = nil
    audit.didEnd(stream, closing, at: link.loop.now)
    switch closing {
    case .close(let result): link.close(stream, result)
    case .encodedClose(let result): link.close(stream, encoded: result)
    case .reset(let code, let reason): link.reset(stream, code, reason: reason)
    }
    finishIfDrained()
  }

  /// Ends a stream that has no work.
  func close(_ stream: StreamID, _ result: CloseResult) {
    audit.didEnd(stream, .close(result), at: link.loop.now)
    link.close(stream, result)
  }

  /// Cancels all file requests, each of which sends its own result, and gives up all sockets.
  func endFilesAndSockets() {
    sockets.endAll()
    for case let job as FileJob in streams.values {
      job.end(FileError(.canceled, "the server is ending"))
    }
  }

  private func finishIfDrained() {
    if server.isDraining && streams.isEmpty { link.finish() }
  }

  // MARK: LinkDelegate

  /// The link calls this for a stranger only after its proof was right.
  func link(_ link: Link, didReceive hello: Hello) {
    switch state.didReceiveHello() {
    case .count:
      link.lingersAfterFault = true
      guard server.countAuthenticated(self) else {
        state.refuseOpened()
        return link.fail(server.connectionLimitError)
      }
    case .proceed: break
    case .ignore: return
    }
    if let keyCheck, let entry = keyCheck.entry, let identity = keyCheck.identity {
      client = Client(
        identity: identity, rights: Rights(entry.options), account: keyCheck.account)
      logger.info(
        "a client has proved an ssh key",
        metadata: ["peer": "\(link.peer)", "key": "\(identity)", "line": "\(entry.line)"])
    }
    keyCheck = nil
    guard audit.didConnect(client, from: link.peer, at: link.loop.now) else {
      return link.fail(WireError(.limitReached, ConnectionAudit.refusal))
    }
    guard !server.isDraining else {
      return link.fail(WireError(.shuttingDown, "the server is ending"))
    }
    link.announce()
    if server.wasReplaced { askToLeave() }
  }

  func link(_ link: Link, didOpen stream: StreamID, request: [UInt8], noInput: Bool) {
    lastUsed = link.loop.now
    let grant: Grant
    do {
      let asked = try OpenRequest.decode(request)
      let decision = Result { () throws(Rights.Refusal) in
        try authority.grant(asked, announcedBy: announcer(for: asked))
      }
      let account = (try? decision.get())?.account
      guard audit.didStart(stream, asked, as: account, at: link.loop.now) else {
        return refuse(stream, ConnectionAudit.refusal)
      }
      grant = try decision.get()
    } catch let error as WireError {
      audit.didRefuse(stream, error.message)
      return refuse(stream, error.message)
    } catch let error as Rights.Refusal {
      return refuse(stream, error.message)
    } catch {
      preconditionFailure("decoding and the check of rights throw nothing else")
    }
    guard !server.isDraining else { return refuse(stream, "the server is ending") }
    if let account = grant.account, grant.request != .info {
      if let streamLimitReason { return refuse(stream, streamLimitReason) }
      return pass(grant, as: account, on: stream, noInput: noInput)
    }
    switch grant.request {
    case .info:
      var result = CloseResult(.ok)
      result.info = server.info()
      result.info?.tls = tls
      result.info?.user = client.account?.name
      close(stream, result)
    case .commands(let request):
      if let streamLimitReason { return refuse(stream, streamLimitReason) }
      start(request, under: grant, on: stream)
    case .run(let run):
      guard server.configuration.runsCommands else {
        return refuse(stream, Self.noCommands)
      }
      if let streamLimitReason { return refuse(stream, streamLimitReason) }
      if run.isDurable {
        return handleJob(
          grant.request, under: grant, length: request.count, on: stream, noInput: noInput)
      }
      self.run(run, under: grant, length: request.count, on: stream, noInput: noInput)
    case .job:
      guard server.configuration.runsCommands else {
        return refuse(stream, Self.noCommands)
      }
      if let streamLimitReason { return refuse(stream, streamLimitReason) }
      handleJob(grant.request, under: grant, length: request.count, on: stream, noInput: noInput)
    case .file(let request):
      guard !server.configuration.isReadOnly || !request.operation.changesFiles else {
        return refuse(stream, Self.readOnly)
      }
      if let streamLimitReason { return refuse(stream, streamLimitReason) }
      guard let files = grant.files ?? server.configuration.files else {
        return refuse(stream, server.configuration.whyNoFiles)
      }
      start(request, files, on: stream)
    case .socket(let request):
      if let streamLimitReason { return refuse(stream, streamLimitReason) }
      start(request, on: stream)
    }
  }

  /// Decides about the requests of the client.
  var authority: Authority {
    Authority(
      client: client, policy: server.configuration.policy,
      isServer: server.configuration.servesServers)
  }

  static let noCommands = "this server runs no commands (--no-commands or --read-only)"
  static let readOnly = "this server's files can only be read (--read-only)"

  /// Adds the work of a stream that was just opened.
  func add(_ work: any StreamWork, to stream: StreamID) { streams[stream] = work }

  /// The passage to a process.
  func passage(to host: any StreamHost) -> JobPassage {
    let address = host.address.description
    if let passage = passages[address] { return passage }
    let passage = JobPassage(to: host, on: link.loop)
    passages[address] = passage
    return passage
  }

  func link(_ link: Link, didReceive chunk: Chunk, on stream: StreamID, _ channel: Channel) {
    guard let work = streams[stream] else { return link.consume(stream, channel, chunk.count) }
    work.receive(chunk, on: channel)
  }

  func link(_ link: Link, didFinish channel: Channel, of stream: StreamID) {
    streams[stream]?.receiveEnd(of: channel)
  }

  func link(_ link: Link, didReceiveControl message: [UInt8], for stream: StreamID) {
    guard let work = streams[stream] else { return }
    do throws(WireError) {
      let messages = try ControlMessage.decode(message).filter { message in
        if case .signal = message { client.rights.allowsSignals } else { true }
      }
      try work.receive(messages)
    } catch {
      // The message may have finished the work before its fault was found.
      guard streams[stream] === work else { return }
      link.reset(stream, error.code, reason: error.message)
      abandon(stream, .canceled)
    }
  }

  /// Takes the work of a stream that is gone out of the table, and ends it. A job may continue
  /// without the stream.
  private func abandon(_ stream: StreamID, _ reason: StreamEnd) {
    if let work = streams.removeValue(forKey: stream) {
      endingCount += 1
      audit.didEnd(stream, reason, at: link.loop.now)
      work.streamDidEnd(reason)
    }
    finishIfDrained()
  }

  func link(_ link: Link, didReset stream: StreamID, _ code: ErrorCode, reason: String) {
    // A relay reports with `lost` that it has lost this stream's client: a job may continue.
    abandon(stream, code == .lost ? .disconnected : .canceled)
  }

  func link(_ link: Link, didEnd end: LinkEnd) {
    state.didEnd()
    if !state.hasOpened, entrance?.door != nil, !server.isDraining {
      server.penalize(link.peer, for: SourcePenalties.Offense(end))
    }
    logger.debug("connection ended", metadata: ["why": "\(end)", "commands": "\(streams.count)"])
    // A refused client was logged when it was refused.
    if case .peerFault(let error) = end, !state.isRefused, error.code != .shuttingDown {
      server.refusals.record(
        "a client broke the protocol or may not connect",
        Refusal(
          peer: link.peer, why: why(error), tried: tried, isStranger: !state.hasOpened))
    }
    for stream in Array(streams.keys) { abandon(stream, .disconnected) }
    audit.didDisconnect(end, at: link.loop.now)
    for passage in passages.values { passage.end() }
    server.connectionDidEnd(self)
  }

  /// The keys that the client has tried, of which at most one was accepted.
  var tried: [String] { keyCheck?.tried ?? [] }

  /// The reason for the log: the client does not learn why its keys are refused.
  private func why(_ error: WireError) -> String {
    guard let reasons = keyCheck?.reasons, !reasons.isEmpty else { return "\(error)" }
    return "\(error): \(reasons.joined(separator: "; "))"
  }
}
