internal import CTelpherSys
internal import Glibc
internal import Synchronization
internal import TelpherTransport

/// The systemd journal, by its native protocol. Any thread may use it.
///
/// An entry is one datagram with its fields, each `NAME=value` and a newline. A value that contains a
/// newline has another form: the name, a newline, the length as 64 bits (little-endian), the value and
/// a newline. An entry that is too long for a datagram is a sealed file in memory, whose
/// descriptor an empty datagram carries.
package final class SystemJournal: Sendable {
  /// Where systemd's journal listens.
  package static let socket = "/run/systemd/journal/socket"

  /// The value of SYSLOG_IDENTIFIER: `journalctl -t telpher-audit` shows these entries.
  static let identifier = "telpher-audit"

  /// How long an entry waits for a journal whose queue is full, in microseconds. Clients wait meanwhile;
  /// a journal that runs takes an entry within a millisecond.
  private static let longestWait = 100_000

  private let path: String
  /// Whether the journal did not take the last entry in time. The next one does not wait, so that a
  /// journal that hangs slows each client down only once.
  private let isStuck = Atomic(false)

  /// The journal that listens at `socket`.
  ///
  /// - Throws: `AuditLog.Failure` if nothing listens there.
  init(socket path: String) throws(AuditLog.Failure) {
    self.path = path
    close(try connected())
  }

  /// Adds an entry.
  ///
  /// - Parameter line: the record as JSON, which becomes the entry's message.
  /// - Throws: `AuditLog.Failure` if the journal does not take it.
  func append(_ line: [UInt8], of record: AuditRecord) throws(AuditLog.Failure) {
    var entry: [UInt8] = []
    Self.add("MESSAGE", line, to: &entry)
    // LOG_INFO and LOG_AUTHPRIV, syslog(3).
    let fields: [(String, String?)] = [
      ("PRIORITY", "6"), ("SYSLOG_FACILITY", "10"), ("SYSLOG_IDENTIFIER", Self.identifier),
      ("TELPHER_EVENT", record.event.rawValue), ("TELPHER_IDENTITY", record.identity),
      ("TELPHER_OPERATION", record.op), ("TELPHER_RESULT", record.result),
    ]
    for case (let name, let value?) in fields { Self.add(name, Array(value.utf8), to: &entry) }
    let number = try connected()
    defer { close(number) }
    var status = telpher_send_message(number, entry, entry.count, nil, 0)
    if status == -EMSGSIZE || status == -ENOBUFS {
      status = telpher_send_sealed_file(number, Self.identifier, entry, entry.count)
    }
    isStuck.store(status == -EAGAIN, ordering: .relaxed)
    guard status == 0 else { throw failure(-status) }
  }

  private static func add(_ name: String, _ value: [UInt8], to entry: inout [UInt8]) {
    entry += Array(name.utf8)
    if value.contains(UInt8(ascii: "\n")) {
      entry.append(UInt8(ascii: "\n"))
      withUnsafeBytes(of: UInt64(value.count).littleEndian) { entry += Array($0) }
    } else {
      entry.append(UInt8(ascii: "="))
    }
    entry += value
    entry.append(UInt8(ascii: "\n"))
  }

  /// A socket that is connected to the journal. It is made for each entry, because a journal that was
  /// started again has another one.
  private func connected() throws(AuditLog.Failure) -> Int32 {
    var kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
    if isStuck.load(ordering: .relaxed) { kind |= Int32(SOCK_NONBLOCK.rawValue) }
    let number = Glibc.socket(AF_UNIX, kind, 0)
    guard number >= 0 else { throw failure(errno) }
    var wait = timeval(tv_sec: 0, tv_usec: Self.longestWait)
    setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
    var address = telpher_address()
    var status = telpher_unix_address(path, &address)
    if status == 0 { status = telpher_connect(number, &address) }
    guard status == 0 else {
      close(number)
      throw failure(-status)
    }
    return number
  }

  private func failure(_ error: Int32) -> AuditLog.Failure {
    AuditLog.Failure(
      message: "cannot write to the systemd journal at \(path): \(describe(errno: error))")
  }
}
