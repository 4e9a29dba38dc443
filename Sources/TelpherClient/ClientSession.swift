internal import TelpherFileStore
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// The client's side of one connection: the command or file request of each stream, and the tasks
/// that wait. Use it only on its loop's thread; `Connection` makes it callable from any task.
final class ClientSession: LinkDelegate {
  let link: Link
  /// Why the connection ended; nil while it is open.
  private(set) var ended: ClientError?
  /// Whether the server refused the connection because of a limit.
  private(set) var wasRefusedByLimit = false
  /// Why the server accepts no more streams; nil before its GOAWAY.
  private var refusal: ClientError?

  /// The commands whose `run` scope is not over, whether or not their results are known.
  private var commands: [StreamID: ClientCommand] = [:]
  private var files: [StreamID: FileStream] = [:]
  private var sockets: [StreamID: any SocketStream] = [:]
  private var jobs: [StreamID: JobAnswer] = [:]
  private var followers: [ObjectIdentifier: any SessionFollower] = [:]
  /// Whether the server has asked this client to leave, because another process has replaced it.
  private var wasAskedToLeave = false
  private var helloWaiters: [WaitingTask<Hello>] = []
  private var answerWaiters: [StreamID: WaitingTask<CloseResult>] = [:]
  private var pings: [UInt64: WaitingTask<Void>] = [:]
  private var lastPing: UInt64 = 0
  private var closeWaiters: [CheckedContinuation<Void, Never>] = []
  /// The process, such as ssh, if one carries the connection.
  private let carrier: CarrierProcess?

  /// The server that a relay leads to, for messages; nil if the connection is to the server itself.
  private let relayedServer: String?

  init(link: Link, carrier: CarrierProcess? = nil, relayedServer: String? = nil) {
    self.link = link
    self.carrier = carrier
    self.relayedServer = relayedServer
  }

  /// Whether the server's HELLO has arrived and names the feature.
  func supports(_ feature: String) -> Bool {
    link.peerHello?.features?.contains(feature) == true
  }

  // MARK: Requests

  func start(
    _ command: Command, hasInput: Bool, output: OutputQueue.Policy, error: OutputQueue.Policy
  ) throws(ClientError) -> ClientCommand {
    let stream = try open(.run(command.request), noInput: !hasInput)
    let started = ClientCommand(
      link: link, stream: stream, hasInput: hasInput, output: output, error: error)
    link.anticipate(stream, .stdout)
    started.watchDeadline(of: command)
    commands[stream] = started
    return started
  }

  /// Opens a stream that follows a durable job: with `attach`, or with a `run` that starts it.
  func follow(
    _ request: OpenRequest, hasInput: Bool, output: OutputQueue.Policy,
    error: OutputQueue.Policy, _ attachment: JobAttachment
  ) throws(ClientError) -> ClientCommand {
    let stream = try open(request, noInput: !hasInput)
    let attached = ClientCommand(
      link: link, stream: stream, hasInput: hasInput, output: output, error: error,
      attachment: attachment)
    if case .job(let request) = request, let channels = request.channels {
      attached.ignoreOutputs(except: channels)
    }
    link.anticipate(stream, .stdout)
    commands[stream] = attached
    return attached
  }

  /// Opens a stream with a request about durable jobs whose answer is a result and perhaps lines.
  func ask(_ request: OpenRequest, hasInput: Bool = false) throws(ClientError) -> JobAnswer {
    let stream = try open(request, noInput: !hasInput)
    let answer = JobAnswer(link: link, stream: stream)
    jobs[stream] = answer
    return answer
  }

  func start(_ request: FileRequest) throws(ClientError) -> FileStream {
    let file = FileStream(
      link: link, stream: try open(.file(request), noInput: true), operation: request.operation)
    files[file.stream] = file
    return file
  }

  /// Opens a stream for the bytes of a socket.
  ///
  /// - Parameter didEnd: called once at its end.
  func openSocket(
    _ request: SocketRequest, didEnd: @escaping (ClientSocket, ClientError?) -> Void
  ) throws(ClientError) -> ClientSocket {
    let stream = try open(.socket(request), noInput: false)
    let socket = ClientSocket(link: link, stream: stream) { [unowned self] socket, error in
      forgetSocket(stream)
      didEnd(socket, error)
    }
    sockets[stream] = socket
    return socket
  }

  /// Opens a stream that announces connections which the server accepts.
  func openListener(
    _ request: SocketRequest, handle: @escaping (ListenStream.Event) -> Void
  ) throws(ClientError) -> ListenStream {
    let stream = try open(.socket(request), noInput: true)
    let listener = ListenStream(link: link, stream: stream, handle: handle)
    sockets[stream] = listener
    return listener
  }

  /// Forgets a stream for sockets that is over; its bytes that wait are dropped.
  func forgetSocket(_ stream: StreamID) {
    sockets[stream] = nil
    link.abandon(stream)
  }

  /// Tells `follower` when the server asks this client to leave, and when the connection ends.
  func add(_ follower: any SessionFollower) {
    followers[ObjectIdentifier(follower)] = follower
    if wasAskedToLeave { follower.serverAsksToLeave() }
  }

  func remove(_ follower: any SessionFollower) { followers[ObjectIdentifier(follower)] = nil }

  func command(_ stream: StreamID) -> ClientCommand? { commands[stream] }

  func fileStream(_ stream: StreamID) -> FileStream? { files[stream] }

  /// Forgets the command or file request of a stream; its unread bytes are dropped.
  func forget(_ stream: StreamID) {
    commands[stream] = nil
    files.removeValue(forKey: stream)?.pump.end(FileError(.lost, "the stream is over"))
    link.abandon(stream)
  }

  private func open(_ request: OpenRequest, noInput: Bool) throws(ClientError) -> StreamID {
    if let error = ended ?? refusal { throw error }
    do throws(WireError) {
      return try link.open(try request.encoded(), noInput: noInput)
    } catch {
      switch error.code {
      case .frameTooLarge: throw ClientError(.tooLarge, error.message)
      case .limitReached: throw ClientError(.limit, error.message)
      case .shuttingDown: throw ClientError(.refused, error.message)
      default: throw ClientError(.protocolError, error.message)
      }
    }
  }

  func hello() async throws -> Hello {
    if let ended { throw ended }
    if let hello = link.peerHello { return hello }
    return try await withWaitingTask { continuation in
      // Check again inside the closure, as in all of these methods: a task that does not prefer the
      // loop as its executor may run it one turn of the loop later.
      if let ended {
        continuation.resume(throwing: ended)
      } else if let hello = link.peerHello {
        continuation.resume(returning: hello)
      } else if let refusal {
        continuation.resume(throwing: refusal)
      } else {
        helloWaiters.append(continuation)
      }
    }
  }

  /// Asks for something that is answered by a result and nothing else.
  ///
  /// - Throws: `ClientError`: `refused` with the server's message if the result is not `ok`.
  func answer(to request: OpenRequest) async throws -> CloseResult {
    let result = try await withWaitingTask { continuation in
      do throws(ClientError) {
        answerWaiters[try open(request, noInput: true)] = continuation
      } catch {
        continuation.resume(throwing: error)
      }
    }
    guard result.result == .ok else {
      throw ClientError(
        .refused, result.message ?? "the server answered with '\(result.result)'")
    }
    return result
  }

  func ping() async throws {
    _ = try await hello()
    return try await withWaitingTask { continuation in
      if let ended { return continuation.resume(throwing: ended) }
      lastPing += 1
      pings[lastPing] = continuation
      link.ping(lastPing)
    }
  }

  func close() async {
    guard ended == nil else { return }
    link.finish()
    await withCheckedContinuation { continuation in
      if ended == nil { closeWaiters.append(continuation) } else { continuation.resume() }
    }
  }

  // MARK: LinkDelegate

  func link(_ link: Link, didReceive hello: Hello) {
    link.lingersAfterFault = true
    let waiting = helloWaiters
    helloWaiters = []
    waiting.forEach { $0.resume(returning: hello) }
  }

  // `Session` refuses streams that a server opens, so this is never called.
  func link(_ link: Link, didOpen stream: StreamID, request: [UInt8], noInput: Bool) {}

  func link(_ link: Link, didReceive chunk: Chunk, on stream: StreamID, _ channel: Channel) {
    if let command = commands[stream] {
      command.receive(chunk, channel)
    } else if let file = files[stream] {
      file.pump.receive(chunk, on: channel)
    } else if let socket = sockets[stream] {
      socket.receive(chunk, on: channel)
    } else if let answer = jobs[stream] {
      answer.receive(chunk, on: channel)
    } else {
      link.consume(stream, channel, chunk.count)
    }
  }

  func link(_ link: Link, didFinish channel: Channel, of stream: StreamID) {
    commands[stream]?.queue(channel)?.end()
    files[stream]?.pump.finish(channel)
    sockets[stream]?.receiveEnd(of: channel)
  }

  func link(_ link: Link, didReceiveControl message: [UInt8], for stream: StreamID) {
    do throws(WireError) {
      if let command = commands[stream] {
        command.receive(try ControlMessage.decode(message))
      } else if let file = files[stream] {
        try file.pump.receive(try ControlMessage.decode(message))
      } else if let socket = sockets[stream] {
        socket.receive(try ControlMessage.decode(message))
      }
    } catch {
      link.fail(error)
    }
  }

  func link(_ link: Link, didClose stream: StreamID, result: [UInt8]) {
    do throws(WireError) {
      let result = try CloseResult.decode(result)
      commands[stream]?.close(result)
      files[stream]?.finish(.success(result))
      sockets[stream]?.close(result)
      answerWaiters.removeValue(forKey: stream)?.resume(returning: result)
      jobs.removeValue(forKey: stream)?.finish(.success(result))
    } catch {
      fail(stream, ClientError(.protocolError, error.message))
      link.fail(error)
    }
  }

  func link(_ link: Link, didReset stream: StreamID, _ code: ErrorCode, reason: String) {
    let error =
      switch code {
      case .socketBroken: ClientError(.reset, reason)
      case .lost: ClientError(.lost, reason)
      default: ClientError(.lost, "the server ended the stream (\(code)): \(reason)")
      }
    fail(stream, error)
  }

  func link(_ link: Link, willGoAwayAfter last: StreamID, _ code: ErrorCode, reason: String) {
    // The server only wants this client to leave: it still takes all streams.
    guard last != WireConstants.noLastStream else {
      wasAskedToLeave = true
      for follower in Array(followers.values) { follower.serverAsksToLeave() }
      return
    }
    let why = Self.error(code, reason)
    refusal = why
    var error = why
    // Streams above `last` were not run, whatever the reason.
    if error.code != .notAuthenticated { error.code = .refused }
    // A client that is refused before the server's HELLO gets none.
    if link.peerHello == nil {
      wasRefusedByLimit = code == .limitReached
      let waiting = helloWaiters
      helloWaiters = []
      waiting.forEach { $0.resume(throwing: why) }
    }
    let isOrderly = code == .none || code == .shuttingDown
    for follower in Array(followers.values) {
      if isOrderly { follower.endWhenIdle(why) } else { follower.end(why) }
    }
    for stream in openStreams where stream > last {
      fail(stream, error)
      link.reset(stream, .canceled, reason: "the server did not take it")
    }
  }

  func link(_ link: Link, didReceivePong number: UInt64) {
    pings.removeValue(forKey: number)?.resume()
  }

  func link(_ link: Link, didEnd end: LinkEnd) {
    explain(end) { self.finish(end, $0) }
  }

  /// Calls `body` with what the end of the connection means for the user.
  func explain(_ end: LinkEnd, _ body: @escaping (ClientError) -> Void) {
    let error = error(end)
    guard let carrier, end != .closed else { return body(error) }
    // The carrier's exit status says more than the end of the connection, so wait for it first.
    carrier.whenEnded { [self] in
      body(carrier.explain(error, hasAnswered: link.peerHello != nil))
    }
  }

  private func finish(_ end: LinkEnd, _ error: ClientError) {
    ended = error
    // Commands of open streams may have run, so their error is `lost` instead of `refused`.
    var streamError = error
    if case .refused(let code, _) = end {
      streamError.code = .lost
      wasRefusedByLimit = code == .limitReached
    }
    // A forwarding reports the end once, not for each of its connections.
    for follower in Array(followers.values) { follower.end(streamError) }
    for stream in openStreams { fail(stream, streamError) }
    let (hellos, pongs, closes) = (helloWaiters, pings.values, closeWaiters)
    (helloWaiters, pings, closeWaiters) = ([], [:], [])
    hellos.forEach { $0.resume(throwing: error) }
    pongs.forEach { $0.resume(throwing: error) }
    closes.forEach { $0.resume() }
  }

  private var openStreams: [StreamID] {
    Array(commands.keys) + Array(files.keys) + Array(sockets.keys) + Array(answerWaiters.keys)
      + Array(jobs.keys)
  }

  private func fail(_ stream: StreamID, _ error: ClientError) {
    commands[stream]?.finish(.failure(error))
    files[stream]?.finish(.failure(error))
    sockets[stream]?.fail(error)
    answerWaiters.removeValue(forKey: stream)?.resume(throwing: error)
    jobs.removeValue(forKey: stream)?.finish(.failure(error))
  }

  private func error(_ end: LinkEnd) -> ClientError {
    switch end {
    case .closed: ClientError(.closed, "the connection was closed")
    case .finished: ClientError(.lost, "the server has ended the connection")
    // A relay that loses the server says so itself.
    case .lost(let why):
      if let relayedServer {
        ClientError(
          .lost,
          "the relay to \(relayedServer), a background process of telpher on this machine, has ended or is stuck: \(why)"
        )
      } else {
        ClientError(.lost, why)
      }
    // The server's proof is missing or wrong.
    case .peerFault(let error) where error.code == .notAuthenticated:
      ClientError(.notAuthenticated, error.message)
    case .peerFault(let error):
      ClientError(.protocolError, "the server broke the protocol: \(error.message)")
    case .refused(let code, let reason): Self.error(code, reason)
    }
  }

  private static func error(_ code: ErrorCode, _ reason: String) -> ClientError {
    switch code {
    case .notAuthenticated:
      ClientError(.notAuthenticated, "the server refuses this client: \(reason)")
    case .shuttingDown, .limitReached: ClientError(.refused, reason)
    // A relay says why it has lost the server.
    case .lost: ClientError(.lost, reason)
    case .timeout: ClientError(.refused, "the server disconnected this client: \(reason)")
    default: ClientError(.protocolError, "the server ended the connection (\(code)): \(reason)")
    }
  }
}
