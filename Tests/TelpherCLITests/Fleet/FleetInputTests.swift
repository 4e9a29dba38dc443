import Glibc
import TelpherTestSupport
import Testing

@testable import TelpherCLI

/// What users give and see: mistakes, texts of others, tables.
@Suite(.enabled(if: FleetStage.hasTools, NATSServer.missing)) struct FleetInputTests {
  @Test func mistakesSayWhatToDo() async throws {
    try await FleetStage.with(["a"]) { stage in
      let queue = try await stage.telpher([
        "job", "submit", "--identity", stage.key, "--queue", "nosuch", "--", "true",
      ])
      #expect(queue.status == 125 && queue.text.isEmpty)
      #expect(
        queue.errorText
          == "telpher: the fleet has no queue nosuch, but web, @a; 'telpher fleet enroll' makes queues\n"
      )
      let worker = try await stage.telpher([
        "job", "submit", "--identity", stage.key, "--queue", "@web", "--", "true",
      ])
      #expect(worker.status == 125 && worker.errorText.contains("no queue @web, but web, @a"))
      #expect(try await stage.run(["job", "list", "--all"]).split(separator: "\n").count == 1)

      let again = try await stage.telpher(["fleet", "init", stage.folder])
      #expect(again.status == 125)
      #expect(again.errorText.contains("'telpher fleet enroll --folder' adds members to it"))
      let other = try await stage.telpher(["fleet", "init", stage.sandbox.folder])
      #expect(other.errorText.hasSuffix("File exists\n"), "\(other.errorText)")
      // The first one is unharmed.
      try await stage.run(["fleet", "enroll", "--folder", stage.folder, "b"])
    }
  }

  /// A job's command can hold any bytes; none of them reaches the terminal as it is.
  @Test func commandsOfOthersAreShownSafely() async throws {
    try await FleetStage.with(["a"]) { stage in
      // The shell makes the bytes: an escape sequence, a line break, a byte that is not UTF-8.
      let submitted = try await stage.sandbox.shell(
        """
        TELPHER_FLEET=\(stage.folder)/admin telpher job submit --identity \(stage.key) --queue @a \
          --env X=1 -- "$(printf 'echo\\033[2J')" "$(printf 'a\\nb')" "$(printf '\\377')" end
        """)
      #expect(submitted.status == 0, "\(submitted.errorText)")
      let job = String(submitted.text.dropLast())
      let shown = #"echo\x1b[2J a\x0ab \xff end"#
      func check(_ arguments: [String], _ line: String) async throws {
        let text = try await stage.run(arguments)
        #expect(text.contains(line), "\(arguments): \(text)")
        #expect(!text.utf8.contains { $0 < 0x20 && $0 != 0x0A || $0 > 0x7E }, "\(text)")
      }
      try await check(["job", "list"], "\(job)  queued  @a     -       -        \(shown)\n")
      try await check(["job", "show", job], "command: \(shown)\n")
      try await check(["job", "show", "--json", job], "\"state\":\"queued\"")
      // The same from the record of a job that has ended.
      try await stage.run(["job", "cancel", job])
      try await check(["job", "list", "--all"], "  \(shown)\n")
      try await check(["job", "show", job], "command: \(shown)\n")
      try await check(["job", "show", "--json", job], "\"state\":\"canceled\"")
    }
  }

  @Test func tablesArePrintedAgainAndAgain() async throws {
    try await FleetStage.with(["a"]) { stage in
      let watching = try stage.child(["fleet", "list", "--watch"])
      func read(until text: String) async -> Bool {
        while let line = await watching.line() { if line.contains(text) { return true } }
        return false
      }
      #expect(await read(until: "WORKER"))
      try await stage.start("a")
      #expect(await read(until: "a       ready"))
      // A broker that is away for a time ends nothing.
      await stage.killBroker()
      #expect(await read(until: "; trying again"))
      try stage.startBroker()
      #expect(await read(until: "a       ready"))
      watching.signal(SIGTERM)
      _ = await watching.wait()

      let jobs = try stage.child(["job", "list", "--watch"])
      #expect(await jobs.line()?.hasPrefix("JOB") == true)
      #expect(await jobs.line() == "")
      let job = try await stage.submit("--queue", "@a", "--timeout", "1h", "--", "sleep", "999")
      var isListed = false
      while !isListed, let line = await jobs.line() { isListed = line.hasPrefix(job) }
      #expect(isListed)
      jobs.signal(SIGTERM)
      _ = await jobs.wait()
      try await stage.run(["job", "cancel", job])
    }
  }

  @Test func aTableIsCutToTheScreen() {
    let text = "HEADER\n" + (1...5).map { "line \($0)\n" }.joined()
    #expect(Watching.fit(text, columns: 80, rows: 7) == text)
    #expect(
      Watching.fit(text, columns: 80, rows: 5) == "HEADER\nline 1\nline 2\n... and 3 lines more\n")
    #expect(Watching.fit(text, columns: 80, rows: 2) == "... and 6 lines more\n")
    #expect(
      Watching.fit("a long line\n", columns: 8, rows: 5).split(separator: "\n").allSatisfy {
        $0.unicodeScalars.count <= 8
      })
  }
}
