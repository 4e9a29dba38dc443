public import Logging
public import TelpherTransport

/// Serves one dialect on this machine, to any number of clients at once. From any thread.
///
/// The dialects know no authentication, so that nothing but loopback addresses and Unix sockets are
/// served. The loop stays the caller's: it is to be shut down after `stop()`.
public actor ClassicServer {
  /// The loop that clients and commands live on.
  public nonisolated let loop: any EventLoop
  /// The loop.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

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

  /// A server that listens nowhere yet.
  ///
  /// - Parameter loop: one that starts processes, for a dialect that runs commands.
  /// - Throws: `ClassicError` (`badRequest`) where the options make no sense for the dialect.
  public init(
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
  /// - Returns: the address with the real port.
  /// - Throws: `ClassicError` (`badRequest`) where another machine could reach it or the dialect has
  ///   no such carrier; `TransportError` where it can't be bound.
  public func listen(at address: ClassicAddress) throws -> ClassicAddress {
    try address.check(for: dialect)
    guard address.staysHere else { throw ClassicError.notHere(address) }
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

  /// Takes no new clients, ends those there are with their commands (SIGTERM, the grace, SIGKILL),
  /// and returns when nothing is left. To be called once.
  public func stop() async {
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

  /// Ends all commands at once. For a `stop()` that is under way and shall not wait.
  public func kill() {
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
      logger.debug("a client went", metadata: ["client": "\(number)"])
      bell.ring()
    }
  }

  /// Whether one more client has room, be it in the place of the oldest one that never sent anything.
  private func makeRoom() -> Bool {
    guard clients.count >= options.limits.clients else { return true }
    let silent = clients.filter { !$0.value.hasReceived }.min { $0.key < $1.key }
    guard let silent else {
      logger.warning("a client is refused: too many", metadata: ["clients": "\(clients.count)"])
      return false
    }
    silent.value.close()
    clients[silent.key] = nil
    return true
  }

  private func serve(_ client: PulledStream, _ number: Int) async {
    logger.debug("a client came", metadata: ["client": "\(number)"])
    let commands: any CommandDialect
    switch dialect {
    case .upper:
      // It ends as its client does.
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
    guard let uploads else { preconditionFailure("an upload server has a folder") }
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
      logger.warning("an answer is lost", metadata: ["error": "\(error)"])
    }
  }
}

extension ClassicServerOptions {
  /// Refuses options that the dialect has no use for, or lacks.
  fileprivate func check(for dialect: ClassicDialect) throws(ClassicError) {
    func refuse(_ what: String) -> ClassicError { ClassicError(.badRequest, what) }
    if let encoding {
      guard dialect.hasText else {
        throw refuse("\(dialect.rawValue) sends bytes as they are, in no encoding")
      }
      _ = try Transcoder(from: "UTF-8", to: encoding)
      _ = try Transcoder(from: encoding, to: "UTF-8")
    }
    if readsLines, dialect != .raw { throw refuse("only 'raw' takes a command per line") }
    if overwrites, dialect != .upload { throw refuse("only 'upload' stores files") }
    if pause != nil, dialect != .raw, dialect != .size {
      throw refuse("only 'raw' and 'size' pause")
    }
    guard (text != nil) == (dialect == .reply) else {
      throw refuse(text == nil ? "reply needs the text to answer with" : "only 'reply' has a text")
    }
    if text?.isEmpty == true { throw refuse("the text of 'reply' has to have a character") }
    guard (root != nil) == (dialect == .upload) else {
      throw refuse(
        root == nil
          ? "upload needs the folder that files go to" : "only 'upload' has a folder for files")
    }
  }
}

extension ClassicError {
  /// Why an address that others reach is not served.
  static func notHere(_ address: ClassicAddress) -> ClassicError {
    ClassicError(
      .badRequest,
      "\(address) is refused: the tutorials' dialects know no authentication, and whoever reaches the port can use it; they are served on 127.0.0.1, ::1, localhost and Unix sockets only ('telpher serve' is for more)"
    )
  }
}
