import FoundationEssentials
import Glibc
import TelpherClient
import Testing

/// The keys of `ps --json` that these tests check.
private struct List: Decodable {
  struct Entry: Decodable {
    var id: String
    var argv: [String]
    var state: String
    var pid: Int32
    var processes: Int
    var client: String
  }
  var commands: [Entry]

  init(_ finished: Finished) throws {
    self = try JSONDecoder().decode(List.self, from: Data(finished.output))
  }
}

struct ProcessesTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func aCommandIsListedAndEnded() async throws {
    let (server, _) = try await sandbox.serve("--loops", "2")
    let command = try sandbox.start([
      "run", "--", "sh", "-c", "trap '' TERM; sleep 600 & echo ready; wait", "a b\u{1B}[2J",
    ])
    #expect(await command.line() == "ready")
    let entry = try #require(
      try List(try await sandbox.telpher("ps", "--json")).commands.first)
    #expect(entry.argv.first == "sh" && entry.argv.last == "a b\u{1B}[2J")
    #expect(entry.state == "running" && entry.processes == 2)
    #expect(entry.client == "process \(command.pid) of user \(geteuid())")
    #expect(kill(entry.pid, 0) == 0)

    let list = try await sandbox.telpher("ps")
    let lines = list.text.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines[0].split(separator: " ").first == "ID")
    #expect(lines[1].hasSuffix("'a b\\\\x1b[2J'") || lines[1].hasSuffix("'a b\\x1b[2J'"))

    #expect(try await sandbox.telpher("kill", "-s", "KILL", entry.id).status == 0)
    #expect(await command.finish().status == 137)
    let missing = try await sandbox.telpher("kill", entry.id, "nothing")
    #expect(missing.status == 1)
    #expect(
      missing.errorText == """
        telpher: the command '\(entry.id)' has ended
        telpher: no command with the id 'nothing' is running

        """)
    #expect(try List(try await sandbox.telpher("ps", "--json")).commands.isEmpty)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func aCommandThatIsEndedGetsItsGraceAndItsClientTheReason() async throws {
    let (server, _) = try await sandbox.serve()
    let command = try sandbox.start([
      "run", "--grace", "50ms", "--", "sh", "-c",
      "trap '' TERM; echo ready; while :; do sleep 1; done",
    ])
    #expect(await command.line() == "ready")
    let entry = try #require(
      try List(try await sandbox.telpher("ps", "--json")).commands.first)
    #expect(try await sandbox.telpher("kill", entry.id).status == 0)
    let end = await command.finish()
    #expect(end.status == 125)
    #expect(end.errorText.contains("ended"))
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }
}
