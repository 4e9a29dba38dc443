internal import CTelpherTLS
package import TelpherTransport

/// TLS over another stream, which may be of any backend. The handshake begins with
/// `startHandshake()` or `resumeReading()`; what is written before its end is queued.
///
/// - The records of a write are passed to the lower stream in batches (`RecordBatch`), a single one at
///   once. While the lower stream has queued some, no others are made, so a slow peer costs one batch
///   and the plain bytes that the caller has written.
/// - While reading is paused, at most one read of the lower stream waits here (`ReadBuffer.largeRead`).
///   Its encrypted bytes are decrypted only when they are wanted.
/// - close_notify is the end of a side. A connection that ends without it is broken: something may
///   have cut it. `close()` sends none.
/// - Its owner limits the time of the handshake.
///
/// Use it only on its loop's thread.
package final class TLSStream: ByteStream {
  /// The phases of the connection.
  enum Phase {
    /// Nothing was sent yet. Next: `shakingHands`, `closed`.
    case new
    /// The handshake is under way. Next: `open`, `failed`, `closed`.
    case shakingHands
    /// Bytes can be exchanged. Next: `failed`, `closed`.
    case open
    /// The handshake or a record was wrong, or the connection broke. Next: `closed`.
    case failed(TransportError)
    /// `close()` was called. Final.
    case closed
  }

  /// The state of the reading side.
  enum Reading {
    /// Bytes may come. Next: `endKnown`, `ended`.
    case open
    /// close_notify has come, and the owner does not know it yet. Next: `ended`.
    case endKnown
    /// The end or an error was reported. Final.
    case ended
  }

  /// The state of the writing side.
  enum Writing {
    /// Bytes may be written. Next: `finishing`, `finished`, `failed`.
    case open
    /// `finishWriting` was called, and bytes are queued. Next: `finished`, `failed`.
    case finishing
    /// close_notify was sent. Final.
    case finished
    /// The peer is gone, or the connection has failed. Final.
    case failed
  }

  package var onRead: ((Chunk) -> Void)?
  package var onEnd: ((TransportError?) -> Void)?
  package var onWritable: (() -> Void)?
  package var onWriteFailure: ((TransportError) -> Void)?
  package var readLimit = Int.max

  /// Called once when the handshake is complete, with what it has agreed on, or with the reason why
  /// it has failed. A failure is also reported as the end of the stream if it is being read.
  package var onHandshake: ((Result<TLSAgreement, TransportError>) -> Void)?

  /// What the handshake has agreed on; nil before its end.
  package private(set) var agreement: TLSAgreement?

  /// The alert with which the peer has ended the connection; nil if it has sent none.
  package private(set) var peerAlert: TLSAlert?

  let lower: any ByteStream
  let loop: any EventLoop
  let memory: TLSMemory
  let context: TLSContext
  private let trust: (([UInt8]) -> Bool)?
  /// The host that the server's certificate must be for.
  private let host: String?

  /// The library's connection; nil before the handshake and after `close()`.
  var tls: OpaquePointer?
  var phase = Phase.new
  var reading = Reading.open
  var writing = Writing.open
  /// Whether the owner wants to read.
  var isReading = false
  /// Whether a call of `readRecords` is on its way.
  var isReadScheduled = false
  /// The encrypted bytes that the library takes from; nil once all are taken.
  var input: Chunk?
  /// Plain bytes that wait for the handshake or for the lower stream.
  var queue: [Chunk] = []
  var queueCount = 0
  /// Whether the lower stream has queued bytes.
  var isLowerBlocked = false
  /// Whether the records that are made are gathered in `memory`.
  var isGathering = false
  /// Whether a `write` returned false and `onWritable` has not followed yet.
  var owesWritable = false
  /// The records sent since the last new key.
  var recordsWithKey = 0
  /// How many records are sent with one key.
  var recordsPerKey = TLSStream.defaultRecordsPerKey
  /// How often the key was changed.
  var keyChanges = 0

  /// How many records are sent with one key: a quarter of what AES-GCM allows (2^24.5, RFC 8446,
  /// 5.5), so that also other errors of counting do no harm.
  static let defaultRecordsPerKey = 1 << 22

  /// A stream over `lower`, which must be new and belongs to it from now on.
  ///
  /// - Parameters:
  ///   - memory: that of `loop`.
  ///   - trust: for clients: whether the server with this raw ed25519 key may be used. Called during
  ///     the handshake; it must not use the stream.
  ///   - host: for clients that trust authorities: the host that the certificate must be for, a name or
  ///     a numeric address.
  package init(
    over lower: any ByteStream, _ context: TLSContext, on loop: any EventLoop, memory: TLSMemory,
    trust: (([UInt8]) -> Bool)? = nil, host: String? = nil
  ) {
    switch context.role {
    case .server: break
    case .client where context.trustsAuthorities:
      precondition(host != nil, "a certificate is for a host")
    case .client: precondition(trust != nil, "a client decides whom it trusts")
    }
    self.lower = lower
    self.loop = loop
    self.memory = memory
    self.context = context
    self.trust = trust
    self.host = host
  }

  deinit {
    if let tls { telpher_tls_free(tls) }
  }

  // MARK: The handshake

  /// Begins the handshake, unless it has begun.
  package func startHandshake() {
    loop.checkIsolated()
    guard case .new = phase else { return }
    let owner = telpher_tls_owner(
      context: Unmanaged.passUnretained(self).toOpaque(), write: streamWrites, trust: streamTrusts)
    phase = .shakingHands
    // The closures keep this stream alive until it is closed, as those of a backend do.
    lower.onRead = { [self] in didRead($0) }
    lower.onEnd = { [self] in lowerDidEnd($0) }
    lower.onWritable = { [self] in lowerDidBecomeWritable() }
    lower.onWriteFailure = { [self] in writingDidFail($0) }
    guard let made = telpher_tls_new(context.context, context.role == .server ? 1 : 0, owner) else {
      let error = TransportError(.exhausted, "TLS with \(peer): no memory")
      _ = loop.schedule(after: 0) { [self] in didFail(error) }
      return
    }
    tls = made
    if context.trustsAuthorities, let host, telpher_tls_expect_host(made, host) != 1 {
      let error = TransportError(
        .badAddress, "TLS with \(peer): '\(host)' is not the name of a host")
      _ = loop.schedule(after: 0) { [self] in didFail(error) }
      return
    }
    // A client's first message; a server has nothing to say yet.
    _ = telpher_tls_handshake(made)
    lower.resumeReading()
  }

  /// Goes on with the handshake, with the bytes that have arrived.
  func continueHandshake() {
    guard let tls else { return }
    switch telpher_tls_handshake(tls) {
    case TELPHER_TLS_NEEDS_INPUT: break
    case TELPHER_TLS_DONE:
      phase = .open
      let report = onHandshake
      onHandshake = nil
      let agreement = agreement(of: tls)
      self.agreement = agreement
      report?(.success(agreement))
      writeQueue()
    default: didFail(failure(of: tls))
    }
  }

  private func agreement(of tls: OpaquePointer) -> TLSAgreement {
    TLSAgreement(
      cipher: String(cString: telpher_tls_cipher(tls)),
      group: String(cString: telpher_tls_group(tls)),
      hasPeerCertificate: telpher_tls_has_certificate(tls) == 1,
      peerName: Self.text { telpher_tls_peer_name(tls, $0, $1) }.map {
        String(decoding: $0, as: UTF8.self)
      })
  }

  /// The names in the certificate that the peer has shown, also if the handshake has failed because of
  /// it: the first URI or DNS name, and the subject, whatever bytes they have. Nothing proves the names
  /// of a certificate that was refused. Empty if there is none, and after `close()`.
  package var shownNames: [[UInt8]] {
    loop.checkIsolated()
    guard let tls else { return [] }
    return [
      Self.text { telpher_tls_peer_name(tls, $0, $1) },
      Self.text { telpher_tls_peer_subject(tls, $0, $1) },
    ].compactMap { $0 }
  }

  /// The text that `write` puts into its memory; nil if it has no bytes.
  private static func text(
    _ write: (UnsafeMutablePointer<CChar>, Int) -> Int
  ) -> [UInt8]? {
    // A certificate has no longer name: names of hosts have 253 bytes, URIs here are short.
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1_024) { memory in
      guard let start = memory.baseAddress else { preconditionFailure("it has room") }
      let count = write(start, memory.count)
      return count > 0 ? memory.prefix(count).map { UInt8(bitPattern: $0) } : nil
    }
  }

  /// Keying material that both ends can derive and nothing in between can (RFC 8446, 7.5).
  ///
  /// - Returns: nil before the end of the handshake and after the end of the connection.
  package func exportKeyingMaterial(label: String, length: Int) -> [UInt8]? {
    loop.checkIsolated()
    guard case .open = phase, let tls else { return nil }
    var bytes = [UInt8](repeating: 0, count: length)
    let isDone = Array(label.utf8).withChars { telpher_tls_export(tls, $0, $1, &bytes, length) }
    return isDone == 1 ? bytes : nil
  }

  fileprivate func trusts(_ key: [UInt8]) -> Bool { trust?(key) ?? false }

  // MARK: The end

  func failure(of tls: OpaquePointer) -> TransportError {
    if let number = UInt8(exactly: telpher_tls_alert(tls)) { peerAlert = TLSAlert(number) }
    return TransportError(.broken, "TLS with \(peer): \(String(cString: telpher_tls_message(tls)))")
  }

  /// Ends both sides because of an error. Only from within callbacks of the lower stream or the loop.
  func didFail(_ error: TransportError) {
    switch phase {
    case .failed, .closed: return
    case .new, .shakingHands, .open: break
    }
    phase = .failed(error)
    lower.pauseReading()
    input = nil
    let report = onHandshake
    onHandshake = nil
    report?(.failure(error))
    readRecords()
    writingDidFail(error)
  }

  private func lowerDidEnd(_ error: TransportError?) {
    guard case .open = reading else { return }
    if let error { return didFail(error) }
    let what =
      if case .open = phase { "without a close_notify: it may have been cut" } else {
        "during the handshake"
      }
    didFail(TransportError(.broken, "TLS with \(peer): the connection ended \(what)"))
  }

  package func close() {
    loop.checkIsolated()
    if case .closed = phase { return }
    phase = .closed
    (onRead, onEnd, onWritable, onWriteFailure, onHandshake) = (nil, nil, nil, nil, nil)
    (queue, queueCount, input) = ([], 0, nil)
    if let tls { telpher_tls_free(tls) }
    tls = nil
    lower.close()
  }

  package func setResetsOnClose(_ resets: Bool) {
    loop.checkIsolated()
    if case .closed = phase { return }
    lower.setResetsOnClose(resets)
  }

  // MARK: Facts of the lower stream

  package var peer: PeerIdentity { lower.peer }
  package var tcpPorts: TCPPorts? { lower.tcpPorts }
  package func isAcknowledged(within nanoseconds: UInt64) -> Bool {
    lower.isAcknowledged(within: nanoseconds)
  }
}

/// What a handshake has agreed on.
package struct TLSAgreement: Sendable, Equatable {
  /// The cipher, by its name in the standard, such as `TLS_AES_128_GCM_SHA256`.
  package var cipher: String
  /// The group in which the keys were agreed on, such as `x25519`.
  package var group: String
  /// Whether the peer has shown a certificate.
  package var hasPeerCertificate: Bool
  /// The first URI of the peer's certificate, or else its first DNS name.
  package var peerName: String?
}

private func streamWrites(
  _ context: UnsafeMutableRawPointer?, _ bytes: UnsafeRawPointer?, _ count: Int
) {
  guard let context, let bytes else { preconditionFailure("the library passes both on") }
  Unmanaged<TLSStream>.fromOpaque(context).takeUnretainedValue()
    .send(UnsafeRawBufferPointer(start: bytes, count: count))
}

private func streamTrusts(_ context: UnsafeMutableRawPointer?, _ key: UnsafePointer<UInt8>?)
  -> Int32
{
  guard let context, let key else { preconditionFailure("the library passes both on") }
  let bytes = Array(UnsafeBufferPointer(start: key, count: HostKey.publicKeyLength))
  return Unmanaged<TLSStream>.fromOpaque(context).takeUnretainedValue().trusts(bytes) ? 1 : 0
}
