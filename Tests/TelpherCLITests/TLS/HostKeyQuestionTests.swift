import Glibc
import Testing

@Suite("The question whether to accept an unknown host key", .timeLimit(.minutes(10)))
struct HostKeyQuestionTests {
  /// Runs `body` with a server and its address and fingerprint.
  private func withServer(
    keep: String, _ body: (Sandbox, _ address: String, _ fingerprint: String) async throws -> Void
  ) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      let server = try sandbox.start(["serve", "--listen", "tls:127.0.0.1:0"])
      guard let first = await server.line(), let second = await server.line() else {
        throw Failed("no server: \(await server.finish().errorText)")
      }
      try await body(
        sandbox, "tls://" + first.dropFirst("listening on tls:".count),
        String(second.split(separator: " ")[2]))
      _ = try await sandbox.telpher("disconnect", "--now")
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
    }
  }

  /// Runs a command on a terminal, and types `answer` if the question comes.
  ///
  /// - Returns: what the terminal has shown before the answer, and in all, and the exit status.
  private func run(
    _ sandbox: Sandbox, _ address: String, answer: String?
  ) async throws -> (question: String, text: String, status: Int32) {
    let child = try TerminalChild(
      [Sandbox.program, "run", "--on", address, "--", "echo", "it", "ran"],
      environment: sandbox.environment, directory: sandbox.folder, columns: 500)
    var question = ""
    if let answer {
      #expect(await child.find("[y/N] "), "\(child.seenText)")
      question = child.seenText
      child.type(answer)
    }
    let (text, status) = await child.finish()
    return (question, text, status)
  }

  private func knownHosts(_ sandbox: Sandbox) async throws -> String {
    try await sandbox.shell("cat \(sandbox.folder)/.config/telpher/known_hosts 2>/dev/null").text
  }

  @Test("is asked again after the key was forgotten, although a connection was kept")
  func forgotten() async throws {
    try await withServer(keep: "60") { sandbox, address, _ in
      #expect(try await run(sandbox, address, answer: "yes\n").status == 0)
      #expect(try await sandbox.telpher("connections").text.contains(address))
      #expect(try await sandbox.telpher("keys", "forget", address).status == 0)
      #expect(try await sandbox.telpher("connections").text == "")
      let again = try await run(sandbox, address, answer: "no\n")
      #expect(!again.text.contains("it ran"))
      #expect(again.status == 125)
      // A command that uses the connection goes on, and no other one uses it any more.
      #expect(try await run(sandbox, address, answer: "yes\n").status == 0)
      let busy = try sandbox.start(["run", "--on", address, "-i", "--", "cat"], input: .pipe)
      await busy.write("x\n")
      #expect(await busy.line() == "x")
      let forget = try await sandbox.telpher("keys", "forget", address)
      #expect(forget.status == 0)
      #expect(forget.errorText.contains("ends after 1 command"), "\(forget.errorText)")
      #expect(try await sandbox.telpher("run", "--on", address, "--", "true").status == 125)
      busy.closeInput()
      #expect(await busy.finish().status == 0)
    }
  }

  /// With a kept connection, a background process asks.
  @Test("shows the fingerprint; yes connects and remembers the key", arguments: ["0", "60"])
  func yes(keep: String) async throws {
    try await withServer(keep: keep) { sandbox, address, fingerprint in
      let first = try await run(sandbox, address, answer: "yes\n")
      #expect(first.question.contains(fingerprint))
      #expect(!first.question.contains("it ran"))
      #expect(first.text.contains("it ran"))
      #expect(first.status == 0)
      #expect(try await knownHosts(sandbox).contains("ssh-ed25519"))
      _ = try await sandbox.telpher("disconnect", "--now")
      // Known now, so nothing is asked.
      let second = try await run(sandbox, address, answer: nil)
      #expect(second.text == "it ran\r\n")
      #expect(second.status == 0)
    }
  }

  @Test(
    "fails after any other answer and after the end of input, and remembers nothing",
    arguments: ["0", "60"], ["no\n", "\n", "yesterday\n", "\u{4}"])
  func otherAnswers(keep: String, answer: String) async throws {
    try await withServer(keep: keep) { sandbox, address, fingerprint in
      let result = try await run(sandbox, address, answer: answer)
      #expect(!result.text.contains("it ran"))
      #expect(result.text.contains("--host-key \(fingerprint)"))
      #expect(result.status == 125)
      #expect(try await knownHosts(sandbox).isEmpty)
    }
  }

  @Test("is ended by Ctrl-C, and nothing is remembered", arguments: ["0", "60"])
  func interrupt(keep: String) async throws {
    try await withServer(keep: keep) { sandbox, address, _ in
      let result = try await run(sandbox, address, answer: "\u{3}")
      #expect(!result.text.contains("it ran"))
      #expect(result.status == 130)
      #expect(try await knownHosts(sandbox).isEmpty)
    }
  }
}
