internal import Glibc
internal import TelpherAccess
internal import TelpherFileStore
internal import TelpherLink
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

/// Records what one connection's client does. Without a log it does nothing. Use it only on its loop's
/// thread.
struct ConnectionAudit {
  private let log: AuditLog?
  private let connection: UInt64
  private let report: @Sendable (String) -> Void
  private var client = Client.owner
  private var source = ""
  private var connectedAt: UInt64?
  /// When each open stream began, in nanoseconds of the loop's clock.
  private var starts: [StreamID: UInt64] = [:]

  /// - Parameters:
  ///   - connection: its number.
  ///   - report: called with the message if a line can't be recorded, on any thread.
  init(_ log: AuditLog?, connection: UInt64, report: @escaping @Sendable (String) -> Void) {
    self.log = log
    self.connection = connection
    self.report = report
  }

  /// The error for the client if a required record can't be written. The server's log has the reason.
  static let refusal =
    "the server can't record what clients do (--audit-required); its log says why"

  /// Records that the client is known.
  ///
  /// - Returns: whether it may continue.
  mutating func didConnect(_ client: Client, from peer: PeerIdentity, at now: UInt64) -> Bool {
    guard log != nil else { return true }
    (self.client, source, connectedAt) = (client, "\(peer)", now)
    return write(record(.connect))
  }

  /// Records the end of the connection.
  mutating func didDisconnect(_ why: LinkEnd, at now: UInt64) {
    guard log != nil, let connectedAt else { return }
    self.connectedAt = nil
    var record = record(.disconnect)
    record.message = "\(why)"
    record.ms = (now - connectedAt) / 1_000_000
    _ = write(record)
  }

  /// Records that the client has asked for an operation.
  ///
  /// - Parameter account: the user as whom it is done; nil for the server's.
  /// - Returns: whether it may be done.
  mutating func didStart(
    _ stream: StreamID, _ request: OpenRequest, as account: Account?, at now: UInt64
  ) -> Bool {
    guard log != nil else { return true }
    starts[stream] = now
    var record = record(.start)
    record.stream = stream
    record.describe(request, as: account)
    return write(record)
  }

  /// Records the paths that an operation writes, on any thread; nil without a log.
  ///
  /// - Parameter account: the user as whom it is done; nil for the server's.
  func writes(of stream: StreamID, as account: Account?) -> WriteRecorder? {
    guard let log else { return nil }
    var template = record(.write)
    template.stream = stream
    template.user = account?.user ?? geteuid()
    return { [template, report] (paths) throws(FileError) in
      var record = template
      record.time = AuditRecord.now()
      record.paths = paths.map { ByteText($0) }
      do throws(AuditLog.Failure) {
        try log.append(record)
      } catch {
        report(error.message)
        if log.isRequired { throw FileError(.refused, Self.refusal) }
      }
    }
  }

  /// Records a request that can't be read, and is refused.
  func didRefuse(_ stream: StreamID, _ why: String) {
    guard log != nil else { return }
    var record = record(.end)
    record.stream = stream
    (record.result, record.message) = (CloseResult.Kind.refused.description, why)
    _ = write(record)
  }

  /// Records the end of an operation.
  mutating func didEnd(_ stream: StreamID, _ closing: StreamClosing, at now: UInt64) {
    switch closing {
    case .close(let result): didEnd(stream, result, at: now)
    case .encodedClose(let bytes): didEnd(stream, try? CloseResult.decode(bytes), at: now)
    case .reset(_, let reason): didEnd(stream, "reset", reason, at: now)
    }
  }

  /// Records the end of an operation whose stream the client has ended, or lost.
  mutating func didEnd(_ stream: StreamID, _ reason: StreamEnd, at now: UInt64) {
    switch reason {
    case .canceled: didEnd(stream, "reset", nil, at: now)
    case .disconnected: didEnd(stream, "lost", nil, at: now)
    }
  }

  private mutating func didEnd(_ stream: StreamID, _ result: CloseResult?, at now: UInt64) {
    guard var record = ending(stream, at: now) else { return }
    record.result = result?.result.description ?? "unknown"
    (record.code, record.signal) = (result?.code, result?.signal)
    (record.message, record.bytes) = (result?.message, result?.bytes)
    record.tree = result?.tree
    _ = write(record)
  }

  private mutating func didEnd(
    _ stream: StreamID, _ result: String, _ message: String?, at now: UInt64
  ) {
    guard var record = ending(stream, at: now) else { return }
    (record.result, record.message) = (result, message)
    _ = write(record)
  }

  private mutating func ending(_ stream: StreamID, at now: UInt64) -> AuditRecord? {
    guard let start = starts.removeValue(forKey: stream) else { return nil }
    var record = record(.end)
    record.stream = stream
    record.ms = (now - start) / 1_000_000
    return record
  }

  private func record(_ event: AuditRecord.Event) -> AuditRecord {
    AuditRecord(
      time: AuditRecord.now(), event: event, connection: connection, pid: AuditRecord.ownPID,
      identity: "\(client.identity)", proof: client.identity.proof.rawValue, source: source)
  }

  /// Whether the line was written, or need not be.
  private func write(_ record: AuditRecord) -> Bool {
    guard let log else { return true }
    var record = record
    record.shorten()
    do throws(AuditLog.Failure) {
      try log.append(record)
      return true
    } catch {
      report(error.message)
    }
    return !log.isRequired
  }
}
