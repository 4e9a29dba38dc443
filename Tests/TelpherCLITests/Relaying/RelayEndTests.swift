import Glibc
import Testing

/// How a kept connection ends, by itself and by `telpher disconnect`.
@Suite(.timeLimit(.minutes(5))) struct RelayEndTests {
  private let on = ["--on", "ssh://host"]

  @Test func theConnectionEndsAfterItsTime() async throws {
    try await Sandbox.withSSH(keep: "10ms") { sandbox in
      let child = try sandbox.start(
        ["run"] + on + ["-i", "--", "sh", "-c", "echo $PPID; cat"], input: .pipe)
      let server = try #require(await child.line().flatMap { Int32($0) })
      let relay = try await sandbox.onlyRelay()
      #expect(isRunning(relay))
      child.closeInput()
      #expect(await child.finish().status == 0)
      #expect(try await isGone(relay, within: 60))
      #expect(try await isGone(server, within: 60))
      #expect(try await sandbox.telpher("connections").output.isEmpty)
    }
  }

  @Test func theMessageAboutAKilledRelayNamesTheServer() async throws {
    try await Sandbox.withSSH { sandbox in
      let child = try sandbox.start(["run"] + on + ["-i", "--", "cat"], input: .pipe)
      await child.write("x\n")
      #expect(await child.line() == "x")
      kill(try await sandbox.onlyRelay(), SIGKILL)
      let end = await child.finish()
      #expect(end.status == 125)
      #expect(end.errorText.contains("the relay to ssh://host"))
    }
  }

  @Test func disconnectEndsTheConnection() async throws {
    try await Sandbox.withSSH { sandbox in
      #expect(try await sandbox.telpher("disconnect").status == 0)
      #expect(try await sandbox.telpher("disconnect", "ssh://host").status == 1)
      #expect(try await sandbox.telpher("run", "--on", "ssh://host", "--", "true").status == 0)
      let relay = try await sandbox.onlyRelay()
      let list = try await sandbox.telpher("connections")
      #expect(list.text.hasPrefix("ssh://host  open for "))
      let report = try await sandbox.telpher("connections", "--json").text
      #expect(report.contains(#""address":"ssh://host""#) && report.contains(#""pid":\#(relay),"#))
      #expect(try await sandbox.telpher("disconnect", "ssh://other").status == 1)
      #expect(isRunning(relay))
      #expect(try await sandbox.telpher("disconnect", "ssh://host").status == 0)
      #expect(!isRunning(relay))
      #expect(try await sandbox.telpher("connections").output.isEmpty)
    }
  }

  @Test func disconnectLetsCommandsFinishUnlessItIsToEndThemNow() async throws {
    try await Sandbox.withSSH { sandbox in
      var children: [Child] = []
      for _ in 1...2 {
        let child = try sandbox.start(["run"] + on + ["-i", "--", "cat"], input: .pipe)
        await child.write("x\n")
        #expect(await child.line() == "x")
        children.append(child)
        guard children.count == 1 else { continue }
        let result = try await sandbox.telpher("disconnect")
        #expect(result.status == 0)
        #expect(result.errorText.contains("1 command"))
      }
      // The second has a connection of its own.
      #expect(try await sandbox.logins == 2)
      children[0].closeInput()
      #expect(await children[0].finish().status == 0)
      #expect(try await sandbox.telpher("disconnect", "--now").status == 0)
      let lost = await children[1].finish()
      #expect(lost.status == 125)
      #expect(lost.errorText.contains("'telpher disconnect' has ended the connection"))
    }
  }

  @Test func aConnectionThatEndsIsListedAndCanBeEndedAtOnce() async throws {
    try await Sandbox.withSSH { sandbox in
      let child = try sandbox.start(["run"] + on + ["-i", "--", "cat"], input: .pipe)
      await child.write("x\n")
      #expect(await child.line() == "x")
      let relay = try await sandbox.onlyRelay()
      // However often: the command is not ended.
      for _ in 1...3 {
        let result = try await sandbox.telpher("disconnect", "ssh://host")
        #expect(result.status == 0)
        #expect(result.errorText.contains("ssh://host ends after 1 command"))
        let list = try await sandbox.telpher("connections")
        #expect(list.text.contains(", ends after 1 command, process \(relay)\n"))
        #expect(list.text.split(separator: "\n").count == 1)
        #expect(
          try await sandbox.telpher("connections", "--json").text.contains(#""ending":true"#))
      }
      await child.write("y\n")
      #expect(await child.line() == "y")
      #expect(try await sandbox.telpher("disconnect", "--now", "ssh://host").status == 0)
      #expect(await child.finish().errorText.contains("'telpher disconnect' has ended"))
      #expect(!isRunning(relay))
      #expect(try await sandbox.telpher("disconnect", "ssh://host").status == 1)
    }
  }

  @Test func nothingIsLeftInTheFolderOfTheRelays() async throws {
    try await Sandbox.withSSH { sandbox in
      for _ in 1...2 {
        let children = try (1...4).map { _ in
          try sandbox.start(["run"] + on + ["--", "true"])
        }
        for child in children { #expect(await child.finish().status == 0) }
        let files = try await sandbox.shell("ls \"$XDG_RUNTIME_DIR/telpher-relays\"").text
        #expect(files.hasSuffix(".sock\n") && files.split(separator: "\n").count == 1)
        #expect(try await sandbox.telpher("disconnect").status == 0)
        #expect(
          try await sandbox.shell("ls \"$XDG_RUNTIME_DIR/telpher-relays\"").text.isEmpty)
      }
      let logins = try await sandbox.logins
      #expect(logins == 2)
    }
  }
}
