package import Logging
package import TelpherTransport

/// A server of one dialect for any number of clients on this machine. Any thread may call it.
///
/// The dialects have no authentication, so it listens only on loopback addresses and Unix sockets.
/// The caller owns the loop, and shuts it down after `stop()` has returned.
package actor ClassicServer {
  /// The loop of the clients and commands.
  package nonisolated let loop: any EventLoop
  /// The loop, as the actor's executor.
  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let dialect: ClassicDialect
  private let options: ClassicServerOptions
  private let logger: Logger
  private let shell: Shell
  private let uploads: UploadDialect?
  private var sockets: [(bound: any BoundSocket, listener: any Listener)] = []
  private var datagramSockets: [any DatagramSocket] = []
  private var clients: [Int: PulledStream] = [:]
  private var lastClient = 0
  private let bell = Bell()
  private var isStopping = false

  /// The length of a listening socket's queue (listen(2)).
  private static let backlog: Int32 = 128

  /// Creates a server that does not listen yet.
  ///
  /// - Parameter loop: the loop to run on. It must be able to start processes if the dialect runs
  ///   commands.
  /// - Throws: `ClassicError`: `badRequest` if the options do not fit the dialect, `system` if the
  ///   folder for uploads cannot be opened.
  package init(
    _ dialect: ClassicDialect, on loop: any EventLoop, options: ClassicServerOptions,
    logger: Logger
  ) throws(ClassicError) {
    try options.check(for: dialect)
    self.loop = loop
    self.dialect = dialect
    self.options = options
    self.logger = logger
    uploads = try options.root.map { (root) throws(ClassicError) in
      try UploadDialect(root: root, overwrites: options.overwrites, limits: options.limits)
    }
    shell = Shell(
      on: loop, environment: options.environment, encoding: options.encoding,
      limits: options.limits)
  }

  /// Listens at `address`.
  ///
  /// - Returns: the address with the actual port.
  /// - Throws: `ClassicError` (`badRequest`) if other machines could reach the address or the
  ///   dialect does not work on this transport; `TransportError` if the address cannot be bound.
  package func listen(at address: ClassicAddress) throws -> ClassicAddress {
    try address.check(for: dialect)
    guard address.staysHere else { throw ClassicError.notLocal(address) }
    switch address {
    case .streams(let address):
      let bound = try loop.bind(to: address, backlog: Self.backlog)
      do {
        let listener = try loop.serve(bound) { stream in self.accept(stream) }
        sockets.append((bound, listener))
        return .streams(bound.address)
      } catch {
        bound.close()
        throw error
      }
    case .datagrams(let address):
      let number = datagramSockets.count
      let socket = try loop.openDatagramSocket(at: address) { payload, sender in
        self.receive(payload, from: sender, at: number)
      }
      datagramSockets.append(socket)
      return .datagrams(socket.address)
    }
  }

  /// Stops listening, disconnects all clients, ends their commands (SIGTERM, then SIGKILL after
  /// `ClassicLimits.grace`), and returns when all have ended. Call it once.
  package func stop() async {
    isStopping = true
    for socket in sockets {
      socket.listener.close()
      socket.bound.close()
    }
    sockets = []
    datagramSockets.forEach { $0.close() }
    datagramSockets = []
    clients.values.forEach { $0.close() }
    shell.endAll()
    await shell.idle()
    while !clients.isEmpty { await bell.wait() }
  }

  /// Sends SIGKILL to all commands. Call it to shorten a `stop()` that is in progress.
  package func kill() {
    shell.killAll()
  }

  // MARK: Streams

  private func accept(_ stream: any ByteStream) {
    guard !isStopping, makeRoom() else { return stream.close() }
    let limits = options.limits
    let client = PulledStream(
      stream, readLimit: dialect.runsCommands ? CommandSession.readLimit(limits) : .max,
      aheadBytes: dialect == .upload ? limits.unwrittenBytes : limits.aheadBytes)
    lastClient += 1
    let number = lastClient
    clients[number] = client
    Task {
      await serve(client, number)
      client.close()
      clients[number] = nil
      logger.debug("a client disconnected", metadata: ["client": "\(number)"])
      bell.ring()
    }
  }

  /// Whether there is room for one more client. If not, the oldest client that never sent anything
  /// is disconnected to make room.
  private func makeRoom() -> Bool {
    guard clients.count >= options.limits.clients else { return true }
    let silent = clients.filter { !$0.value.hasReceived }.min { $0.key < $1.key }
    guard let silent else {
      logger.warning(
        "a client is refused: too many clients", metadata: ["clients": "\(clients.count)"])
      return false
    }
    silent.value.close()
    clients[silent.key] = nil
    return true
  }

  private func serve(_ client: PulledStream, _ number: Int) async {
    logger.debug("a client connected", metadata: ["client": "\(number)"])
    let commands: any CommandDialect
    switch dialect {
    case .upper:
      // An error here means that the client is gone.
      try? await UpperDialect.serve(client)
      return
    case .reply:
      try? await ReplyDialect.serve(client, options)
      return
    case .raw: commands = RawDialect(pause: options.pause, loop: loop)
    case .size: commands = SizeDialect(pause: options.pause, limits: options.limits, on: loop)
    case .length: commands = LengthDialect()
    case .header: commands = HeaderDialect()
    case .upload: return await takeFiles(of: client, number)
    case .time, .chat:
      preconditionFailure("`listen` refuses streams for \(dialect)")
    }
    var logger = logger
    logger[metadataKey: "client"] = "\(number)"
    await CommandSession(
      client, commands, readsLines: options.readsLines, shell: shell, on: loop, logger: logger
    ).run()
  }

  private func takeFiles(of client: PulledStream, _ number: Int) async {
    guard let uploads else {
      preconditionFailure("`check` refuses an upload server without a folder")
    }
    do throws(ClassicError) {
      try await uploads.serve(client) { line, isStored in
        logger.log(
          level: isStored ? .info : .warning, "\(line)", metadata: ["client": "\(number)"])
      }
    } catch {
      logger.warning(
        "\(error.message): the connection is closed", metadata: ["client": "\(number)"])
    }
  }

  // MARK: Datagrams

  private func receive(_ payload: Chunk, from sender: DatagramAddress, at socket: Int) {
    switch dialect {
    case .upper: send([UpperDialect.upperCase(payload)], from: socket, to: sender)
    case .reply: send([Chunk(ReplyDialect.answer(options))], from: socket, to: sender)
    case .time:
      let text = TimeDialect.answer([UInt8](payload), at: TimeDialect.now, options)
      send([Chunk(text)], from: socket, to: sender)
    case .raw:
      Task {
        do throws(ClassicError) {
          let answer = try await RawDatagrams.answer([UInt8](payload), shell, on: loop)
          send(answer.map { Chunk($0) }, from: socket, to: sender)
        } catch {
          logger.warning("a datagram is dropped: \(error.message)")
        }
      }
    case .size, .length, .header, .upload, .chat:
      preconditionFailure("`listen` refuses datagrams for \(dialect)")
    }
  }

  private func send(_ payloads: [Chunk], from socket: Int, to address: DatagramAddress) {
    guard !isStopping else { return }
    do {
      for payload in payloads { try datagramSockets[socket].send(payload, to: address) }
    } catch {
      logger.warning("an answer could not be sent", metadata: ["error": "\(error)"])
    }
  }
}

extension ClassicServerOptions {
  /// Checks that the options fit `dialect`.
  ///
  /// - Throws: `ClassicError` (`badRequest`) if an option is missing or has no meaning for it.
  fileprivate func check(for dialect: ClassicDialect) throws(ClassicError) {
    func refuse(_ what: String) -> ClassicError { ClassicError(.badRequest, what) }
    if let encoding {
      guard dialect.hasText else {
        throw refuse("'\(dialect.rawValue)' sends bytes unchanged and has no encoding")
      }
      _ = try Transcoder(from: "UTF-8", to: encoding)
      _ = try Transcoder(from: encoding, to: "UTF-8")
    }
    if readsLines, dialect != .raw { throw refuse("only 'raw' reads a command per line") }
    if overwrites, dialect != .upload { throw refuse("only 'upload' can overwrite files") }
    if pause != nil, dialect != .raw, dialect != .size {
      throw refuse("only 'raw' and 'size' have a pause")
    }
    guard (text != nil) == (dialect == .reply) else {
      throw refuse(text == nil ? "'reply' needs a text to answer with" : "only 'reply' has a text")
    }
    if text?.isEmpty == true { throw refuse("the text of 'reply' must not be empty") }
    guard (root != nil) == (dialect == .upload) else {
      throw refuse(
        root == nil
          ? "'upload' needs a folder for its files" : "only 'upload' has a folder for files")
    }
  }
}

extension ClassicError {
  /// The refusal of an address that other machines can reach.
  static func notLocal(_ address: ClassicAddress) -> ClassicError {
    ClassicError(
      .badRequest,
      "\(address) is refused: the tutorials' dialects have no authentication, so anyone who reaches the port could use it. Listen on 127.0.0.1, ::1, localhost or a Unix socket"
    )
  }
}
