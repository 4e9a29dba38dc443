import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

/// Servers that report success although they have not transferred everything.
@Suite(.timeLimit(.minutes(1))) struct TreeAccountTests {
  private static let none = #"{"files":0,"folders":0,"links":0}"#
  private static let one = #"{"files":1,"folders":0,"links":0}"#
  private static func counts(stored: String = none, failed: String = none, bytes: Int = 0) -> String
  {
    #"{"stored":\#(stored),"skipped":\#(none),"failed":\#(failed),"unsent":0,"bytes":\#(bytes),"changed":0}"#
  }
  /// The records of `stream`, the ends of its channels, and its result.
  private static func answer(
    _ stream: UInt32, _ kind: String, _ tree: String?, lines: [String] = [], ends: Bool = true
  ) -> [UInt8] {
    let records = lines.flatMap { data(stream, 5, Array(($0 + "\n").utf8)) }
    let channels: [UInt8] = ends ? data(stream, 5, fin: true) + data(stream, 4, fin: true) : []
    let counts = tree.map { #","tree":\#($0)"# } ?? ""
    return records + channels
      + TelpherTestSupport.close(stream, #"{"result":"\#(kind)"\#(counts)}"#)
  }

  private static let link = #"{"entry":{"path":"x","kind":"symlink","link":"y"}}"#
  private static func complete(_ entries: String) -> String {
    #"{"complete":{"entries":\#(entries),"unsent":0}}"#
  }
  private static let oneLink = #"{"files":0,"folders":0,"links":1}"#

  /// Wrong answers of a server to a `get` of the file `x`.
  private static let answers: [[UInt8]] = [
    // No records, with and without counts.
    answer(1, "ok", nil, ends: false), answer(1, "ok", counts(), ends: false),
    answer(1, "ok", counts()),
    // No record of how many entries were announced.
    answer(1, "ok", counts(stored: oneLink), lines: [link]),
    // No entries, correctly counted: but the file was requested.
    answer(1, "ok", counts(), lines: [complete(none)]),
    // One entry arrived, but two were announced.
    answer(
      1, "ok", counts(stored: oneLink),
      lines: [link, complete(#"{"files":1,"folders":0,"links":1}"#)]),
    // A link arrived, but the server counts a file.
    answer(1, "ok", counts(stored: one), lines: [link, complete(oneLink)]),
    answer(1, "ok", nil, lines: [link, complete(oneLink)]),
  ]

  @Test(arguments: answers.indices)
  func anIncompleteGetFails(_ number: Int) async throws {
    try await Self.with { server, folder in
      let connection = server.connection
      let running = Task { try await connection.get(["x"], to: folder) }
      try await server.peer.frame(2, 1)
      await server.peer.send(Self.answers[number])
      let error = await #expect(throws: FileError.self) { try await running.value }
      #expect(error?.code == .protocolError, "\(number): \(String(describing: error))")
    }
  }

  private static func settled(_ counts: String) -> String { #"{"settled":\#(counts)}"# }

  /// Wrong answers of a server to a `put` of one file.
  private static let settlements: [[UInt8]] = [
    answer(3, "stored", nil, ends: false), answer(3, "stored", counts(), ends: false),
    // The record of the file contradicts the counts.
    answer(
      3, "stored", counts(stored: one),
      lines: [#"{"file":0,"failed":"no"}"#, settled(counts(stored: one))]),
    answer(3, "stored", counts(), lines: [#"{"skip":0}"#, settled(counts())]),
    // The file is reported as stored, but the server did not ask for its bytes.
    answer(
      3, "stored", counts(stored: one), lines: [#"{"stored":0}"#, settled(counts(stored: one))]),
    // The records contradict the result.
    answer(
      3, "stored", counts(stored: one),
      lines: [#"{"file":0,"failed":"no"}"#, settled(counts(failed: one))]),
  ]

  @Test(arguments: settlements.indices)
  func aPutWithWrongCountsFails(_ number: Int) async throws {
    try await Self.with { server, folder in
      let source = folder + "/source"
      Glibc.close(Glibc.open(source, O_WRONLY | O_CREAT, 0o644))
      let connection = server.connection
      let running = Task { try await connection.put([source], to: "") }
      // The client first asks for the status of the destination.
      try await server.peer.frame(2, 1)
      await server.peer.send(
        TelpherTestSupport.close(
          1, #"{"result":"ok","entry":{"path":"","kind":"directory"}}"#))
      try await server.peer.frame(2, 3)
      await server.peer.send(Self.settlements[number])
      let error = await #expect(throws: FileError.self) { try await running.value }
      #expect(error?.code == .protocolError, "\(number): \(String(describing: error))")
    }
  }

  private static func with(
    _ body: (_ server: FakeServer, _ folder: String) async throws -> Void
  ) async throws {
    let folder = "/tmp/telpher-accounts-\(UInt64.random(in: 0 ... .max))"
    mkdir(folder, 0o755)
    defer {
      for name in ["source", "x"] { unlink("\(folder)/\(name)") }
      rmdir(folder)
    }
    try await FakeServer.with { server in try await body(server, folder) }
  }
}
