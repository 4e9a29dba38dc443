import Glibc
import TelpherTestSupport
import Testing

@Suite(
  "A server behind a hub", .timeLimit(.minutes(10)),
  .enabled(if: SSHTools.areInstalled, "ssh-keygen is needed"))
struct HubCLITests {
  @Test("is used as any other one", arguments: ["0", "60"])
  func use(keep: String) async throws {
    try await HubSandbox.with(keep: keep) { stage in
      _ = try await stage.serve()
      let folder = stage.sandbox.folder
      let failed = try await stage.telpher(
        "run", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
      #expect(failed.text == "out\n" && failed.errorText == "err\n" && failed.status == 7)
      stage.sandbox.writeNoise(5_000_000, to: folder + "/file")
      #expect(try await stage.telpher("put", folder + "/file", folder + "/there").status == 0)
      #expect(try await stage.telpher("get", folder + "/there", folder + "/back").status == 0)
      #expect(try await stage.sandbox.areAlike(folder + "/file", folder + "/back"))
      let piped = try await stage.sandbox.shell(
        "cd; telpher run -i --on \(stage.address()) --identity user -- sha256sum <file; sha256sum <file"
      )
      let sums = Set(piped.text.split(separator: "\n"))
      #expect(sums.count == 1 && piped.status == 0, "\(piped.text)\(piped.errorText)")
      let many = try await stage.sandbox.telpher(
        "on", "web,missing", "--address", "hub+tls://\(stage.hub)/%h", "--identity",
        folder + "/user", "--", "echo", "hi")
      #expect(many.text == "web: hi\n")
      #expect(many.errorText.contains("no server has registered the name"), "\(many.errorText)")
      #expect(many.status == 125)
    }
  }

  @Test("refuses keys that it does not list, whatever the hub lists")
  func keys() async throws {
    try await HubSandbox.with { stage in
      _ = try await stage.serve()
      let refused = try await stage.telpher("run", "--", "echo", "hi", key: "other")
      #expect(refused.status == 125 && refused.output.isEmpty)
      #expect(refused.errorText.contains("none of the client's ssh keys"), "\(refused.errorText)")
    }
  }

  @Test("does not start without clients that can prove who they are")
  func noKeys() async throws {
    try await HubSandbox.with { stage in
      stage.sandbox.write("", to: stage.sandbox.folder + "/server-keys")
      let result = await (try stage.dial()).finish()
      #expect(result.status == 125)
      #expect(result.errorText.contains("--dial needs clients that prove"), "\(result.errorText)")
    }
  }

  @Test("registers at no hub that it does not know")
  func unknownHub() async throws {
    try await HubSandbox.with { stage in
      _ = try await stage.sandbox.shell("rm ~/.config/telpher/known_hosts")
      let refused = await (try stage.dial()).finish()
      #expect(refused.status == 125)
      let words = refused.errorText.split(separator: "'").first { $0.hasPrefix("--dial-host-key ") }
      let option = try #require(words, "\(refused.errorText)").split(separator: " ").map(
        String.init)
      let server = try stage.dial(option)
      #expect(await server.line()?.hasPrefix("host key ") == true)
      #expect(await server.line() == "registered at \(stage.address())")
    }
  }

  /// The hub, or another server that has got the name, could show a key of its own.
  @Test("is not taken for another one with its name")
  func otherHostKey() async throws {
    try await HubSandbox.with { stage in
      let first = try await stage.serve()
      #expect(try await stage.telpher("run", "--", "true").status == 0)
      first.signal(SIGKILL)
      _ = await first.wait()
      _ = try await stage.serve(hostKey: "another-key")
      let refused = try await stage.telpher("run", "--", "echo", "hi")
      #expect(refused.status == 125 && refused.output.isEmpty)
      #expect(refused.errorText.contains("has changed"), "\(refused.errorText)")
      // The user decides that it is the right one.
      #expect(try await stage.sandbox.telpher("keys", "forget", stage.address()).status == 0)
      #expect(try await stage.telpher("run", "--", "true").status == 0)
    }
  }

  @Test("keeps its name while another client wants it")
  func takenName() async throws {
    try await HubSandbox.with { stage in
      _ = try await stage.serve()
      let other = await (try stage.dial(key: "other", hostKey: "other-key")).finish()
      #expect(other.status == 125)
      #expect(
        other.errorText.contains("the name web is held by another client of the hub"),
        "\(other.errorText)")
      #expect(try await stage.telpher("run", "--", "echo", "hi").text == "hi\n")
    }
  }

  /// Its old process is stopped, so that the hub still has its connection.
  @Test("gets its name back from its own dead connection")
  func ownName() async throws {
    try await HubSandbox.with { stage in
      let old = try await stage.serve()
      old.signal(SIGSTOP)
      _ = try await stage.serve()
      #expect(try await stage.telpher("run", "--", "echo", "hi").text == "hi\n")
    }
  }

  @Test("loses its commands when it is killed, and when the hub is; then it is reached again")
  func killed() async throws {
    try await HubSandbox.with { stage in
      let first = try await stage.serve()
      let lost = try stage.start(["run", "--", "sh", "-c", "echo started; exec sleep 1000"])
      #expect(await lost.line() == "started")
      first.signal(SIGKILL)
      #expect(await lost.finish().status == 125)
      let gone = try await stage.telpher("run", "--", "true")
      #expect(gone.status == 125)
      #expect(gone.errorText.contains("no server has registered the name web here"))

      _ = try await stage.serve()
      let second = try stage.start(["run", "--", "sh", "-c", "echo started; exec sleep 1000"])
      #expect(await second.line() == "started")
      await stage.killHub()
      #expect(await second.finish().status == 125)
      #expect(try await stage.telpher("run", "--", "true").status == 125)
      try await stage.startHub()
      try await eventually("the server is registered again") {
        try await stage.telpher("run", "--", "echo", "hi").text == "hi\n"
      }
    }
  }

  @Test("dials until the hub is there")
  func lateHub() async throws {
    try await HubSandbox.with { stage in
      await stage.killHub()
      let server = try stage.dial()
      #expect(await server.line()?.hasPrefix("host key ") == true)
      // It has failed once when the hub starts, or finds it at once.
      try await stage.startHub()
      #expect(await server.line() == "registered at \(stage.address())")
      #expect(try await stage.telpher("run", "--", "echo", "hi").text == "hi\n")
    }
  }

  @Test("goes on when the hub is replaced, and is registered at the new one")
  func replacedHub() async throws {
    try await HubSandbox.with { stage in
      _ = try await stage.serve()
      let busy = try stage.sandbox.start(
        [
          "run", "-i", "--on", stage.address(), "--accept-new", "--identity",
          stage.sandbox.folder + "/user", "--", "cat",
        ], input: .pipe)
      await busy.write("before\n")
      #expect(await busy.line() == "before")
      try await stage.startHub(replaces: true)
      try await eventually("the server is registered again") {
        try await stage.telpher("run", "--", "echo", "hi").text == "hi\n"
      }
      await busy.write("after\n")
      #expect(await busy.line() == "after")
      busy.closeInput()
      #expect(await busy.finish().status == 0)
    }
  }

  /// ssh starts a server at the hub's machine, which passes its client on to the hub there.
  @Test("is reached through a hub that ssh reaches")
  func ssh() async throws {
    try await Sandbox.with(keep: "0") { sandbox in
      sandbox.addSSH()
      let made = try await sandbox.shell(
        "cd; ssh-keygen -q -t ed25519 -N '' -f user; cat user.pub >keys; chmod 600 keys")
      #expect(made.status == 0)
      // The hub listens at the default socket.
      let (hub, _) = try await sandbox.serve("--hub", "--no-commands", "--root", "none")
      let server = try sandbox.start([
        "serve", "--dial", "ssh://hub", "--name", "web", "--authorized-keys",
        sandbox.folder + "/keys",
      ])
      #expect(await server.line()?.hasPrefix("host key ") == true)
      #expect(await server.line() == "registered at hub+ssh://hub/web")
      let result = try await sandbox.telpher(
        "run", "--on", "hub+ssh://hub/web", "--accept-new", "--identity",
        sandbox.folder + "/user", "--", "sh", "-c", "echo hi; exit 3")
      #expect(result.text == "hi\n" && result.status == 3, "\(result.errorText)")
      for child in [server, hub] {
        child.signal(SIGTERM)
        #expect(await child.finish().status == 0)
      }
    }
  }

  @Test("is registered and reached only by those whom the hub's policy allows")
  func policy() async throws {
    try await HubSandbox.with(policy: { keys in
      """
      rules:
        - {for: "\(keys["server"]!)", listen: "hub:web"}
        - {for: "\(keys["user"]!)", connect: "hub:w*"}
      """
    }) { stage in
      _ = try await stage.serve()
      #expect(try await stage.telpher("run", "--", "echo", "hi").text == "hi\n")
      let outside = try await stage.telpher("run", "--", "true", at: "db")
      #expect(outside.errorText.contains("you may not connect to hub:db"), "\(outside.errorText)")
      let noUser = try await stage.telpher("run", "--", "true", key: "server")
      #expect(noUser.errorText.contains("you may not connect to hub:web"), "\(noUser.errorText)")
      let noServer = await (try stage.dial(as: "web2")).finish()
      #expect(noServer.status == 125)
      #expect(
        noServer.errorText.contains("you may not listen at hub:web2"), "\(noServer.errorText)")
    }
  }

  @Test("ends in order, and gives its name up")
  func end() async throws {
    try await HubSandbox.with { stage in
      let server = try await stage.serve()
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
      let gone = try await stage.telpher("run", "--", "true")
      #expect(gone.errorText.contains("no server has registered the name web here"))
    }
  }
}
