import CTelpherSys
import Glibc
import TelpherJSON
import TelpherTestSupport
import TelpherWire
import Testing

@testable import TelpherServer

@Suite("Records in the systemd journal", .timeLimit(.minutes(15)))
struct SystemJournalTests {
  private let sandbox: Sandbox
  private var path: String { sandbox.inside("journal") }

  init() throws { sandbox = try Sandbox() }

  private func record(_ identity: String = "SHA256:abc", argument: String = "hi") -> AuditRecord {
    var record = AuditRecord(
      time: AuditRecord.now(), event: .start, connection: 1, pid: 1, identity: identity,
      proof: "key", source: "here")
    record.op = "run"
    record.argv = ["echo", .init(argument)]
    return record
  }

  /// The record in an entry's message.
  private func record(in entry: Entry) throws -> AuditRecord {
    try JSONDecoding.decode(AuditRecord.self, from: try #require(entry.fields["MESSAGE"]))
  }

  @Test("are entries with the line as the message, and fields to search for")
  func fields() throws {
    let journal = try FakeJournal(path)
    let log = try AuditLog(.journal(socket: path), isRequired: false)
    try log.append(record())
    let entry = try journal.next()
    #expect(!entry.isFile)
    #expect(try record(in: entry).argv == ["echo", "hi"])
    let texts = entry.fields.mapValues { String(decoding: $0, as: UTF8.self) }
    #expect(texts["SYSLOG_IDENTIFIER"] == "telpher-audit")
    #expect(texts["PRIORITY"] == "6")
    #expect(texts["TELPHER_EVENT"] == "start")
    #expect(texts["TELPHER_IDENTITY"] == "SHA256:abc")
    #expect(texts["TELPHER_OPERATION"] == "run")
    #expect(texts["TELPHER_RESULT"] == nil)
  }

  @Test("cannot add fields by a newline in a name")
  func newlines() throws {
    let journal = try FakeJournal(path)
    let log = try AuditLog(.journal(socket: path), isRequired: false)
    let name = "spiffe://a\nPRIORITY=0\nFORGED=1"
    try log.append(record(name))
    let entry = try journal.next()
    #expect(entry.fields["TELPHER_IDENTITY"] == Array(name.utf8))
    #expect(entry.fields["PRIORITY"] == Array("6".utf8))
    #expect(entry.fields["FORGED"] == nil)
  }

  @Test("longer than a datagram are sealed files in memory")
  func longEntry() throws {
    let journal = try FakeJournal(path)
    let log = try AuditLog(.journal(socket: path), isRequired: true)
    let long = String(repeating: "x", count: 3_000_000)
    try log.append(record(argument: long))
    let entry = try journal.next()
    #expect(entry.isFile)
    #expect(try record(in: entry).argv?.last == .init(long))
  }

  @Test("fail if the journal is gone, and succeed if it is there again")
  func gone() throws {
    var journal: FakeJournal? = try FakeJournal(path)
    let log = try AuditLog(.journal(socket: path), isRequired: true)
    try log.append(record())
    _ = try journal?.next()
    // The file is still there, but nothing listens.
    journal = nil
    #expect(throws: AuditLog.Failure.self) { try log.append(record()) }
    #expect(throws: AuditLog.Failure.self) {
      try AuditLog(.journal(socket: path), isRequired: true)
    }
    unlink(path)
    #expect(throws: AuditLog.Failure.self) { try log.append(record()) }
    journal = try FakeJournal(path)
    try log.append(record("again"))
    let entry = try #require(try journal?.next())
    #expect(try record(in: entry).identity == "again")
  }

  @Test("fail if the journal takes none, and succeed if it does again")
  func stuck() throws {
    let journal = try FakeJournal(path)
    let log = try AuditLog(.journal(socket: path), isRequired: true)
    var count = 0
    // A queue has at most some hundred places (net.unix.max_dgram_qlen).
    #expect(throws: AuditLog.Failure.self) {
      while count < 1_000_000 {
        try log.append(record())
        count += 1
      }
    }
    for _ in 0..<3 { #expect(throws: AuditLog.Failure.self) { try log.append(record()) } }
    for _ in 0..<count { _ = try journal.next() }
    try log.append(record("again"))
    #expect(try record(in: journal.next()).identity == "again")
  }

  @Test(
    "are required or not: without a journal, nothing or everything is done",
    arguments: [true, false])
  func required(isRequired: Bool) async throws {
    var journal: FakeJournal? = try FakeJournal(path)
    let log = try AuditLog(.journal(socket: path), isRequired: isRequired)
    try await Fixture.inMemory(configure: { $0.audit = log }) { fixture in
      let program = fixture.puppet()
      let client = try await fixture.client()
      let first = try #require(try journal?.next())
      #expect(try record(in: first).event == .connect)
      journal = nil
      await client.send(puppet(1))
      if !isRequired {
        await program.started()
        await program.exit(0)
      }
      let result = try await client.result(1)
      #expect(await program.starts == (isRequired ? 0 : 1))
      #expect(result.contains("--audit-required") == isRequired)
    }
  }
}

/// An entry that a journal has received.
private struct Entry {
  var fields: [String: [UInt8]]
  /// Whether it has come as a sealed file.
  var isFile: Bool
}

/// What systemd's journal does with its socket.
private final class FakeJournal {
  private let socket: Int32

  /// Listens at `path`, which is made anew.
  init(_ path: String) throws {
    unlink(path)
    socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = telpher_address()
    try #require(telpher_unix_address(path, &address) == 0)
    try #require(telpher_bind(socket, &address) == 0)
  }

  /// Without the shutdown, a process that another test is just starting could keep the socket open.
  deinit {
    shutdown(socket, Int32(SHUT_RDWR))
    close(socket)
  }

  /// Receives the next entry, which must be there.
  func next() throws -> Entry {
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    var descriptors = [Int32](repeating: -1, count: Int(TELPHER_MESSAGE_DESCRIPTORS))
    var descriptorCount = 0
    let flags = fcntl(socket, F_GETFL)
    _ = fcntl(socket, F_SETFL, flags | O_NONBLOCK)
    let count = telpher_receive_message(
      socket, &bytes, bytes.count, &descriptors, &descriptorCount)
    try #require(count >= 0, "no entry: error \(-count)")
    guard descriptorCount > 0 else {
      return Entry(fields: try Self.fields(of: Array(bytes[..<Int(count)])), isFile: false)
    }
    try #require(count == 0 && descriptorCount == 1)
    let file = descriptors[0]
    defer { close(file) }
    // F_GET_SEALS and the four seals of fcntl(2), which Swift's Glibc module lacks.
    try #require(fcntl(file, 1_034) == 0xf)
    var status = stat()
    try #require(fstat(file, &status) == 0)
    var content = [UInt8](repeating: 0, count: Int(status.st_size))
    try #require(pread(file, &content, content.count, 0) == content.count)
    return Entry(fields: try Self.fields(of: content), isFile: true)
  }

  /// The fields of an entry: each is there once.
  private static func fields(of entry: [UInt8]) throws -> [String: [UInt8]] {
    var fields: [String: [UInt8]] = [:]
    var rest = entry[...]
    while !rest.isEmpty {
      let end = try #require(rest.firstIndex(of: UInt8(ascii: "\n")))
      let line = rest[..<end]
      rest = rest[(end + 1)...]
      let name: String
      var value: [UInt8]
      if let sign = line.firstIndex(of: UInt8(ascii: "=")) {
        name = String(decoding: line[..<sign], as: UTF8.self)
        value = Array(line[(sign + 1)...])
      } else {
        name = String(decoding: line, as: UTF8.self)
        try #require(rest.count >= 8)
        let count = rest.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(8)
        try #require(rest.count > count && rest[rest.startIndex + count] == UInt8(ascii: "\n"))
        value = Array(rest.prefix(count))
        rest = rest.dropFirst(count + 1)
      }
      try #require(fields[name] == nil, "\(name) twice")
      fields[name] = value
    }
    return fields
  }
}
