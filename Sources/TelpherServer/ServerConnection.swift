internal import Logging
internal import TelpherFiles
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// One client's connection: its standing, and the command or file request of each stream. Use it
/// only on its loop's thread.
final class ServerConnection: LinkDelegate {
  let link: Link
  private unowned let server: ServerCore
  private let logger: Logger
  private var jobs: [StreamID: Work] = [:]
  private let fileLine: FileLine
  /// Commands and file requests that are still ending although their stream is gone. They count
  /// towards `maxStreams`.
  private var ending: Set<ObjectIdentifier> = []
  /// Whether the client still has to send its HELLO or, on TCP, its proof.
  private var awaitsOpening = true
  /// The limit that the connection counts towards.
  private(set) var standing: Standing
  private var helloTimer: (any LoopTimer)?

  init(link: Link, server: ServerCore, standing: Standing, logger: Logger) {
    self.link = link
    self.server = server
    self.standing = standing
    self.logger = logger
    fileLine = FileLine(server.workers, server.configuration)
    link.lingersAfterFault = standing != .stranger
  }

  /// The limit that a connection counts towards.
  enum Standing {
    /// It has not authenticated yet and counts towards `maxStrangers`. Next: `known`, `refused`.
    case stranger
    /// It counts towards `maxConnections`. Next: `refused`.
    case known
    /// It is being refused and counts towards no limit.
    case refused
  }

  /// The command or file request of a stream.
  private enum Work {
    case command(CommandJob)
    case file(FileJob)
  }

  func start() {
    let timeout = server.configuration.helloTimeout
    helloTimer = link.loop.schedule(after: timeout) { [unowned self] in
      guard link.hasUnreadBytes else { return helloTimedOut() }
      // This process may have been suspended: read the bytes that have arrived first.
      helloTimer = link.loop.schedule(after: Self.lastChance) { [unowned self] in helloTimedOut() }
    }
    link.start(delegate: self)
  }

  /// Time for the loop to read a HELLO that has arrived already, in nanoseconds.
  private static let lastChance: UInt64 = 1_000_000_000

  private func helloTimedOut() {
    let seconds = Double(server.configuration.helloTimeout) / 1_000_000_000
    link.fail(WireError(.timeout, "no HELLO arrived within \(seconds) s"))
  }

  /// Refuses new streams (GOAWAY) and lets the open ones finish.
  func drain() {
    guard !awaitsOpening else { return link.fail(WireError(.shuttingDown, "the server is ending")) }
    link.goAway(.shuttingDown, reason: "the server is ending")
    finishIfDrained()
  }

  /// Refuses the client with `error`, before its HELLO is answered. A stranger's connection is
  /// closed without waiting for the client to read the error.
  func refuse(_ error: WireError) {
    server.uncount(self)
    standing = .refused
    if awaitsOpening && helloTimer == nil { link.start(delegate: self) }
    link.fail(error)
  }

  func commandDidFinish(_ stream: StreamID, _ result: CloseResult) {
    jobs[stream] = nil
    link.close(stream, result)
    finishIfDrained()
  }

  /// Resets a stream whose command continues without it.
  func release(_ stream: StreamID, _ code: ErrorCode, reason: String) {
    jobs[stream] = nil
    link.reset(stream, code, reason: reason)
    finishIfDrained()
  }

  /// Cancels all file requests; each sends its own result.
  func endFiles() {
    for case .file(let job) in jobs.values {
      job.end(FileError(.canceled, "the server is ending"))
    }
  }

  private func finishIfDrained() {
    if server.isDraining && jobs.isEmpty { link.finish() }
  }

  // MARK: LinkDelegate

  /// The link calls this for a stranger only after its proof was right.
  func link(_ link: Link, didReceive hello: Hello) {
    awaitsOpening = false
    helloTimer?.cancel()
    helloTimer = nil
    if standing == .stranger {
      link.lingersAfterFault = true
      guard server.countAuthenticated(self) else {
        standing = .refused
        return link.fail(server.connectionLimitError)
      }
      standing = .known
    }
    guard !server.isDraining else {
      return link.fail(WireError(.shuttingDown, "the server is ending"))
    }
    link.announce()
  }

  func link(_ link: Link, didOpen stream: StreamID, request: [UInt8], noInput: Bool) {
    let decoded: OpenRequest
    do throws(WireError) {
      decoded = try OpenRequest.decode(request)
    } catch {
      return refuse(stream, error.message)
    }
    guard !server.isDraining else { return refuse(stream, "the server is ending") }
    switch decoded {
    case .info:
      var result = CloseResult(.ok)
      result.info = server.info()
      link.close(stream, result)
    case .run(let run):
      guard server.configuration.runsCommands else {
        return refuse(stream, "this server runs no commands (--no-commands or --read-only)")
      }
      if let streamLimitReason { return refuse(stream, streamLimitReason) }
      self.run(run, length: request.count, on: stream, noInput: noInput)
    case .file(let request):
      guard !server.configuration.isReadOnly || !request.operation.changesFiles else {
        return refuse(stream, "this server's files can only be read (--read-only)")
      }
      if let streamLimitReason { return refuse(stream, streamLimitReason) }
      guard let files = server.configuration.files else {
        return refuse(stream, server.configuration.whyNoFiles)
      }
      start(request, files, on: stream)
    }
  }

  private func start(_ request: FileRequest, _ files: FileService, on stream: StreamID) {
    let job = FileJob(request, service: files, link: link, stream: stream) {
      [weak self, server] job, result in
      self?.fileJobDidFinish(job, stream, result)
      server.fileJobDidFinish()
    }
    do throws(FileError) {
      try fileLine.add(job)
      server.fileJobDidStart()
      jobs[stream] = .file(job)
    } catch {
      refuse(stream, error.message)
    }
  }

  private func fileJobDidFinish(_ job: FileJob, _ stream: StreamID, _ result: CloseResult?) {
    fileLine.remove(job)
    ending.remove(ObjectIdentifier(job))
    guard case .file(let current) = jobs[stream], current === job else { return }
    jobs[stream] = nil
    link.close(stream, result ?? CloseResult(.failed, message: "the stream has ended"))
    finishIfDrained()
  }

  /// The reason to refuse further streams on this connection; nil if there is room.
  private var streamLimitReason: String? {
    let limit = server.configuration.maxStreams
    guard jobs.count + ending.count >= limit else { return nil }
    return
      "\(limit) streams are open, \(ending.count) of them still ending (max_streams): try again"
  }

  private func run(_ request: RunRequest, length: Int, on stream: StreamID, noInput: Bool) {
    let outlet = CommandJob.Outlet(connection: self, stream: stream)
    switch server.run(request, length: length, for: outlet, noInput: noInput) {
    case .runs(let job): jobs[stream] = .command(job)
    case .refused(let message): refuse(stream, message)
    case .kept(let result):
      // The output was sent to an earlier stream, so the offsets are the totals.
      var message = ControlMessage()
      message.opened = ControlMessage.Opened(attached: true, offsets: result.bytes ?? [:])
      link.control(stream, message)
      link.close(stream, result)
    }
  }

  private func refuse(_ stream: StreamID, _ message: String) {
    link.close(stream, CloseResult(.refused, message: message))
  }

  func link(_ link: Link, didReceive chunk: Chunk, on stream: StreamID, _ channel: Channel) {
    switch jobs[stream] {
    case .command(let job): job.receive(chunk, on: channel)
    case .file(let job): job.receive(chunk, on: channel)
    case nil: link.consume(stream, channel, chunk.count)
    }
  }

  func link(_ link: Link, didFinish channel: Channel, of stream: StreamID) {
    switch jobs[stream] {
    case .command(let job): job.finish(channel)
    case .file(let job): job.finish(channel)
    case nil: break
    }
  }

  func link(_ link: Link, didReceiveControl message: [UInt8], for stream: StreamID) {
    guard let work = jobs[stream] else { return }
    do throws(WireError) {
      let message = try ControlMessage.decode(message)
      switch work {
      case .command(let job):
        try job.receive(message)
        if message.detach == true { try detach(job, stream) }
      case .file(let job): try job.receive(message)
      }
    } catch {
      jobs[stream] = nil
      link.reset(stream, error.code, reason: error.message)
      abandon(work, .canceled)
      finishIfDrained()
    }
  }

  /// Ends the command or file request of a stream that is gone; a job with `on_disconnect` `keep`
  /// continues if the connection was lost.
  private func abandon(_ work: Work, _ reason: CommandState.Reason) {
    switch work {
    case .command(let job):
      let mayStay = reason == .disconnected && job.request.onDisconnect == .keep
      if !mayStay {
        let id = ObjectIdentifier(job)
        ending.insert(id)
        job.whenFinished = { [weak self] in self?.ending.remove(id) }
      }
      job.detach(keep: mayStay, reason: reason)
    case .file(let job):
      ending.insert(ObjectIdentifier(job))
      job.end(FileError(.lost, "the client is gone"))
    }
  }

  private func detach(_ job: CommandJob, _ stream: StreamID) throws(WireError) {
    guard job.request.job != nil else {
      throw WireError(.protocolError, "CONTROL: detach needs a command with a job id")
    }
    guard jobs.removeValue(forKey: stream) != nil else { return }
    job.detach(keep: true)
    link.close(stream, CloseResult(.detached))
    finishIfDrained()
  }

  func link(_ link: Link, didReset stream: StreamID, _ code: ErrorCode, reason: String) {
    if let work = jobs.removeValue(forKey: stream) { abandon(work, .canceled) }
    finishIfDrained()
  }

  func link(_ link: Link, didEnd end: LinkEnd) {
    helloTimer?.cancel()
    logger.debug("connection ended", metadata: ["why": "\(end)", "commands": "\(jobs.count)"])
    // A refused client was logged when it was refused.
    if case .peerFault(let error) = end, standing != .refused, error.code != .shuttingDown {
      server.refusals.record(
        "a client broke the protocol or may not connect",
        ["peer": "\(link.peer)", "why": "\(error)"])
    }
    let orphans = jobs.values
    jobs = [:]
    for work in orphans { abandon(work, .disconnected) }
    server.connectionDidEnd(self)
  }

  // A server opens no streams and waits for no PONG of its own, so it ignores these.
  func link(_ link: Link, didClose stream: StreamID, result: [UInt8]) {}
  func link(_ link: Link, willGoAwayAfter last: StreamID, _ code: ErrorCode, reason: String) {}
  func link(_ link: Link, didReceivePong number: UInt64) {}
}
