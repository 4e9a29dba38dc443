@testable import TelpherTLS
import TelpherTransport
import TelpherTransportTesting

/// Two ends of a TLS connection in memory, on one loop. Use it only on the loop's thread.
final class TLSStage {
  let client: TLSEnd
  let server: TLSEnd
  private let listener: any Listener

  /// The contexts that all tests share: a context has no state of a connection.
  static let key = HostKey.random()
  static let serverContext = Result { try TLSContext(server: key) }
  static let clientContext = Result { try TLSContext() }

  /// What may happen to the bytes on their way.
  struct Alteration: Sendable {
    enum Kind: Sendable {
      /// The byte at `offset` is changed.
      case flip
      /// The stream ends in order before the byte at `offset`.
      case end
    }

    var kind: Kind
    var offset: Int
  }

  /// How a stage is set up.
  struct Options: Sendable {
    var network = MemoryNetwork.Options()
    /// Happens to what the client sends.
    var toServer: Alteration?
    /// Happens to what the server sends.
    var toClient: Alteration?
    var trustsServer = true
    var recordsPerKey = TLSStream.defaultRecordsPerKey
  }

  /// Calls `body` on the thread of a loop, with a stage whose handshake has not begun.
  static func with(
    _ options: Options = Options(), _ body: @escaping @Sendable (TLSStage) async throws -> Void
  ) async throws {
    let loop = MemoryLoop(network: MemoryNetwork(options: options.network))
    let result = await withTaskGroup(of: Result<Void, any Error>.self) { group in
      group.addTask(executorPreference: loop) {
        do {
          let stage = try await make(on: loop, options)
          try await body(stage)
          return .success(())
        } catch {
          return .failure(error)
        }
      }
      return await group.next() ?? .success(())
    }
    await loop.shutDown()
    try result.get()
  }

  private static func make(on loop: MemoryLoop, _ options: Options) async throws -> TLSStage {
    try await withCheckedThrowingContinuation { done in
      do {
        try connect(on: loop, options) { stage in
          nonisolated(unsafe) let stage = stage
          done.resume(returning: stage)
        }
      } catch {
        done.resume(throwing: error)
      }
    }
  }

  private static func connect(
    on loop: MemoryLoop, _ options: Options, _ completion: @escaping (TLSStage) -> Void
  ) throws {
    let (server, client) = try (serverContext.get(), clientContext.get())
    let memory = TLSMemory()
    let address = SocketAddress.unix(path: "/tls")
    var ends: [TLSEnd] = []
    var listener: (any Listener)?
    func add(_ end: TLSEnd) {
      ends.append(end)
      guard ends.count == 2, let listener else { return }
      completion(
        TLSStage(
          client: ends.first { !$0.isServer }!, server: ends.first { $0.isServer }!, listener))
    }
    listener = try loop.serve(try loop.bind(to: address, backlog: 1)) { lower in
      let altered = AlteredStream(lower, options.toServer)
      let stream = TLSStream(over: altered, server, on: loop, memory: memory)
      stream.recordsPerKey = options.recordsPerKey
      add(TLSEnd(stream, altered, isServer: true))
    }
    loop.connect(to: address) { result in
      guard let lower = try? result.get() else { preconditionFailure("a listener is there") }
      let altered = AlteredStream(lower, options.toClient)
      let stream = TLSStream(over: altered, client, on: loop, memory: memory) { key in
        options.trustsServer && key == TLSStage.key.publicKey
      }
      stream.recordsPerKey = options.recordsPerKey
      add(TLSEnd(stream, altered, isServer: false))
    }
  }

  private init(client: TLSEnd, server: TLSEnd, _ listener: any Listener) {
    self.client = client
    self.server = server
    self.listener = listener
  }

  /// Begins the handshake of both ends and waits for it.
  func shakeHands() async {
    client.stream.startHandshake()
    server.stream.startHandshake()
    await client.until { $0.handshake != nil }
    await server.until { $0.handshake != nil }
  }
}

/// One end: its stream, and what it has reported. Use it only on its loop's thread.
final class TLSEnd {
  let stream: TLSStream
  let lower: AlteredStream
  let isServer: Bool
  var received: [UInt8] = []
  var handshake: Result<TLSAgreement, TransportError>?
  /// The end of reading.
  var end: Result<Void, TransportError>?
  var writeFailure: TransportError?
  var writableCount = 0
  /// Called with each chunk, after it was recorded.
  var didRead: ((Chunk) -> Void)?
  private var waiting: [(isDone: (TLSEnd) -> Bool, done: CheckedContinuation<Void, Never>)] = []

  init(_ stream: TLSStream, _ lower: AlteredStream, isServer: Bool) {
    (self.stream, self.lower, self.isServer) = (stream, lower, isServer)
    stream.onHandshake = { [unowned self] result in note { handshake = result } }
    stream.onRead = { [unowned self] chunk in
      note {
        received.append(contentsOf: chunk)
        didRead?(chunk)
      }
    }
    stream.onEnd = { [unowned self] error in
      note { end = error.map { .failure($0) } ?? .success(()) }
    }
    stream.onWritable = { [unowned self] in note { writableCount += 1 } }
    stream.onWriteFailure = { [unowned self] error in note { writeFailure = error } }
  }

  private func note(_ change: () -> Void) {
    change()
    let all = waiting
    waiting = []
    for one in all {
      if one.isDone(self) { one.done.resume() } else { waiting.append(one) }
    }
  }

  /// Whether the peer has ended its side in order.
  var hasEndedInOrder: Bool {
    if case .success? = end { true } else { false }
  }

  /// Returns when `isDone` is true after something was reported.
  func until(_ isDone: @escaping (TLSEnd) -> Bool) async {
    await withCheckedContinuation { done in
      nonisolated(unsafe) let (end, isDone) = (self, isDone)
      // On the loop's thread, where everything is reported.
      stream.loop.execute {
        if isDone(end) { done.resume() } else { end.waiting.append((isDone, done)) }
      }
    }
  }

  /// Writes bytes and waits until none is queued.
  func write(_ bytes: [UInt8]) async {
    let before = writableCount
    let isWritten = bytes.withUnsafeBytes { stream.write($0, nil) }
    if !isWritten { await until { $0.writableCount > before || $0.writeFailure != nil } }
  }
}

/// A stream that alters or records what it reads from another one.
final class AlteredStream: ByteStream {
  private let lower: any ByteStream
  private let alteration: TLSStage.Alteration?
  /// What the peer has sent.
  private(set) var recorded: [UInt8] = []
  /// The length of each write to the other stream.
  private(set) var writes: [Int] = []
  private var hasEnded = false
  var onRead: ((Chunk) -> Void)?
  var onEnd: ((TransportError?) -> Void)?

  init(_ lower: any ByteStream, _ alteration: TLSStage.Alteration?) {
    (self.lower, self.alteration) = (lower, alteration)
    lower.onRead = { [unowned self] chunk in read(Array(chunk)) }
    lower.onEnd = { [unowned self] error in if !hasEnded { onEnd?(error) } }
  }

  private func read(_ bytes: [UInt8]) {
    guard !hasEnded else { return }
    let start = recorded.count
    recorded += bytes
    guard let alteration, (start..<recorded.count).contains(alteration.offset) else {
      onRead?(Chunk(bytes))
      return
    }
    var bytes = bytes
    switch alteration.kind {
    case .flip:
      bytes[alteration.offset - start] ^= 1
      onRead?(Chunk(bytes))
    case .end:
      hasEnded = true
      let rest = Array(bytes.prefix(alteration.offset - start))
      if !rest.isEmpty { onRead?(Chunk(rest)) }
      onEnd?(nil)
    }
  }

  var onWritable: (() -> Void)? {
    get { lower.onWritable }
    set { lower.onWritable = newValue }
  }
  var onWriteFailure: ((TransportError) -> Void)? {
    get { lower.onWriteFailure }
    set { lower.onWriteFailure = newValue }
  }
  var readLimit: Int {
    get { lower.readLimit }
    set { lower.readLimit = newValue }
  }
  var queuedBytes: Int { lower.queuedBytes }
  var unreadBytes: Int { lower.unreadBytes }
  var hasWriters: Bool { lower.hasWriters }
  var peer: PeerIdentity { lower.peer }

  func resumeReading() { lower.resumeReading() }
  func pauseReading() { lower.pauseReading() }
  func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool {
    writes.append(head.count + (body?.count ?? 0))
    return lower.write(head, body)
  }
  func finishWriting() { lower.finishWriting() }
  func close() {
    (onRead, onEnd) = (nil, nil)
    lower.close()
  }
}
