import Glibc
import Testing

/// ssh's own programs, which make the keys and the signatures of these tests.
enum SSHTools {
  static let areInstalled =
    access("/usr/bin/ssh-keygen", X_OK) == 0 && access("/usr/bin/ssh-agent", X_OK) == 0
}

@Suite(
  "Clients that prove an ssh key over TLS",
  .enabled(if: SSHTools.areInstalled, "ssh-keygen and ssh-agent are needed"))
struct KeyProofTests {
  @Test("get in if their key is listed, and not otherwise")
  func listed() async throws {
    try await Sandbox.withKeys([("one", ""), ("other", nil)]) { sandbox, address in
      let accepted = try await sandbox.telpher(at: address, key: "one", "run", "--", "echo", "hi")
      #expect(accepted.text == "hi\n")
      #expect(accepted.status == 0)
      let refused = try await sandbox.telpher(at: address, key: "other", "run", "--", "echo", "hi")
      #expect(refused.status == 125)
      #expect(refused.output.isEmpty)
      #expect(refused.errorText.contains("none of the client's ssh keys"))
      // A change of the file counts at once.
      let both = try await sandbox.shell(
        "cd \(sandbox.folder); cp other.pub .ssh/new; chmod 600 .ssh/new; mv .ssh/new .ssh/authorized_keys"
      )
      #expect(both.status == 0)
      #expect(try await sandbox.telpher(at: address, key: "other", "run", "--", "true").status == 0)
      #expect(try await sandbox.telpher(at: address, key: "one", "run", "--", "true").status == 125)
      _ = try await sandbox.shell("chmod 666 \(sandbox.folder)/.ssh/authorized_keys")
      #expect(
        try await sandbox.telpher(at: address, key: "other", "run", "--", "true").status == 125)
    }
  }

  @Test("are in the audit also if they are refused")
  func refusedInAudit() async throws {
    let audit = "/tmp/telpher-audit-\(UInt64.random(in: 0 ... .max))"
    defer { unlink(audit) }
    try await Sandbox.withKeys(
      [("one", ""), ("other", nil)], ["--audit", audit]
    ) { sandbox, address in
      let refused = try await sandbox.telpher(at: address, key: "other", "run", "--", "true")
      #expect(refused.status == 125)
      #expect(try await sandbox.telpher(at: address, key: "one", "run", "--", "true").status == 0)
      let line = """
        other=$(ssh-keygen -lf ~/other.pub | cut -d' ' -f2)
        telpher audit \(audit) --identity $other
        telpher audit \(audit) | grep -c refused
        """
      let shown = try await sandbox.shell(line).text
      #expect(shown.contains(" refused 0 unknown as SHA256:"), "\(shown)")
      #expect(shown.contains(" from 127.0.0.1"), "\(shown)")
      #expect(shown.hasSuffix("\n1\n") && shown.split(separator: "\n").count == 2, "\(shown)")
    }
  }

  /// Whether there can be a network of its own, with an address that is not of the loopback network.
  private static let hasNetworks =
    geteuid() == 0
    && system("unshare -n ip addr add 192.0.2.1/32 dev lo >/dev/null 2>&1") == 0

  @Test(
    "must wait if too many connections from their address have failed",
    .enabled(if: hasNetworks, "a network namespace and ip(8) are needed"))
  func penalty() async throws {
    let sandbox = try Sandbox()
    sandbox.write(
      """
      ip link set lo up && ip addr add 192.0.2.1/32 dev lo || exit 10
      ssh-keygen -q -t ed25519 -N '' -f key
      telpher serve --listen tls:192.0.2.1:7722 >listening & server=$!
      trap 'kill $server; wait $server' EXIT
      until grep -q 'host key' listening; do kill -0 $server || exit 11; sleep 0.01; done
      for n in $(seq 20); do
        telpher run --on tls://192.0.2.1 --accept-new --keep 0 --identity key -- true 2>err && exit 12
        grep -q 'Wait for some minutes' err && exit 0
        grep -q "none of the client's ssh keys" err || exit 13
      done
      exit 14

      """, to: sandbox.folder + "/script")
    let result = try await sandbox.shell(
      "cd && unshare -n sh ./script; code=$?; cat err; exit $code")
    #expect(result.status == 0, "\(result.text) \(result.errorText)")
    #expect(result.text.contains("tls://192.0.2.1:7722 refuses this client"), "\(result.text)")
  }

  @Test("get in with the keys of their agent, also through a kept connection, else with the token")
  func agent() async throws {
    try await Sandbox.withKeys([("one", ""), ("other", nil)], keep: "60") { sandbox, address in
      let line = """
        eval $(ssh-agent -a \(sandbox.folder)/agent) >/dev/null
        ssh-add -q \(sandbox.folder)/other \(sandbox.folder)/one
        rm \(sandbox.folder)/.config/telpher/token
        telpher run --on \(address) --accept-new -- echo first
        telpher run --on \(address) -- echo second
        telpher disconnect --now >/dev/null
        ssh-add -q -d \(sandbox.folder)/one 2>/dev/null
        telpher run --on \(address) -- echo third
        echo $?
        kill $SSH_AGENT_PID
        """
      let result = try await sandbox.shell(line)
      #expect(result.text == "first\nsecond\n125\n", "\(result.errorText)")
    }
    try await Sandbox.withKeys([]) { sandbox, address in
      let result = try await sandbox.telpher(
        "run", "--on", address, "--accept-new", "--", "echo", "by token")
      #expect(result.text == "by token\n")
    }
  }

  @Test("get in with the last of many keys, and with the token if the server knows none of them")
  func manyKeys() async throws {
    try await Sandbox.withKeys([("one", "")]) { sandbox, address in
      let line = """
        cd \(sandbox.folder)
        eval $(ssh-agent -a \(sandbox.folder)/agent) >/dev/null
        for n in 1 2 3 4 5; do ssh-keygen -q -t ed25519 -N '' -f more-$n; ssh-add -q more-$n; done
        ssh-add -q one
        telpher run --on \(address) --accept-new --keep 0 -- echo by key
        ssh-add -q -d one 2>/dev/null
        telpher run --on \(address) --keep 0 -- echo by token
        rm .config/telpher/token
        telpher run --on \(address) --keep 0 -- echo nothing
        echo $?
        kill $SSH_AGENT_PID
        """
      let result = try await sandbox.shell(line)
      #expect(result.text == "by key\nby token\n125\n", "\(result.errorText)")
    }
  }

  @Test("run only the command of their line, if it has one")
  func forcedCommand() async throws {
    let options = #"restrict,command="echo forced $SSH_ORIGINAL_COMMAND $EVIL; pwd""#
    try await Sandbox.withKeys([("one", options)]) { sandbox, address in
      let result = try await sandbox.telpher(
        at: address, key: "one", "run", "--env", "EVIL=evil", "--cwd", "/usr", "--", "rm", "-r",
        "a b")
      #expect(result.text.hasPrefix("forced rm -r 'a b'\n"))
      #expect(!result.text.contains("evil"))
      #expect(!result.text.contains("/usr\n"))
      for arguments in [
        ["ls"], ["get", "/etc/passwd", sandbox.folder + "/x"], ["put", "/etc/passwd", "x"],
      ] {
        let refused = try await sandbox.start(
          [arguments[0], "--on", address, "--identity", "\(sandbox.folder)/one"]
            + arguments.dropFirst()
        ).finish()
        #expect(refused.status != 0)
        #expect(refused.errorText.contains("may not use files"))
      }
    }
  }

  @Test("do not see, attach to or end the jobs and commands of others")
  func isolation() async throws {
    try await Sandbox.withKeys([("one", ""), ("other", "")]) { sandbox, address in
      let job = "--detach"
      let started = try await sandbox.telpher(
        at: address, key: "one", "run", job, "--name", "mine", "--", "sleep", "1000")
      #expect(started.status == 0)
      let id = String(started.text.dropLast())
      let other = try await sandbox.telpher(at: address, key: "other", "jobs")
      #expect(!other.text.contains("mine"))
      for arguments in [["attach", id], ["kill", id], ["logs", "mine"], ["wait", "mine"]] {
        let refused = try await sandbox.start(
          [arguments[0], "--on", address, "--identity", "\(sandbox.folder)/other", arguments[1]]
        ).finish()
        #expect(refused.status != 0, "\(arguments)")
      }
      // For the client with the other key, the name is free.
      let same = try await sandbox.telpher(
        at: address, key: "other", "run", job, "--name", "mine", "--", "true")
      #expect(same.status == 0)
      #expect(
        try await sandbox.telpher(at: address, key: "one", "jobs").text.contains("sleep 1000"))
      let running = try sandbox.start([
        "run", "--on", address, "--identity", "\(sandbox.folder)/one", "--", "sh", "-c",
        "echo on; sleep 1000",
      ])
      #expect(await running.line() == "on")
      #expect(try await sandbox.telpher(at: address, key: "one", "ps").text.contains("sleep 1000"))
      #expect(
        !(try await sandbox.telpher(at: address, key: "other", "ps").text.contains("sleep 1000")))
      let number = try await sandbox.telpher(at: address, key: "one", "ps").text
        .split(separator: "\n").first { $0.contains("echo on") }?.split(separator: " ").first
        .map(String.init)
      let wrong = try await sandbox.telpher(at: address, key: "other", "kill", try #require(number))
      #expect(wrong.status != 0)
      // Otherwise the command would not end.
      try #require(
        try await sandbox.telpher(at: address, key: "one", "kill", try #require(number)).status == 0
      )
      #expect(await running.finish().status != 0)
      #expect(try await sandbox.telpher(at: address, key: "one", "kill", "mine").status == 0)
    }
  }

  @Test(
    "learn nothing about the keys that are listed",
    .enabled(if: TLSServerTests.hasPrograms, "openssl and python3 are needed"))
  func sameAnswer() async throws {
    try await Sandbox.withKeys([("one", ""), ("other", nil)]) { sandbox, address in
      let folder = sandbox.folder
      // Right signatures for another connection or purpose, by a key that is listed and one that is not.
      let script = """
        cd \(folder); printf 12345678901234567890123456789012 >message
        for key in one other; do
          for space in telpher-auth-v1 file; do
            ssh-keygen -q -Y sign -f $key -n $space <message 2>/dev/null | grep -v -e ---- | tr -d '\\n'
            echo
          done
        done
        """
      let texts = try await sandbox.shell(script).text.split(separator: "\n").map(String.init)
      #expect(texts.count == 4)
      let port = String(try #require(address.split(separator: ":").last))
      var answers: Set<String> = []
      for signatures in texts.map({ [$0] }) + [texts, ["AAAA"], [""]] {
        let client = try Child(
          ["env", "python3", TLSServerTests.programs + "tls_hello.py", port] + signatures,
          environment: sandbox.environment)
        answers.insert(await client.finish().text)
      }
      // A HELLO, whose nonce is left out here, and GOAWAY.
      #expect(answers.count == 1)
      #expect(answers.first?.isEmpty == false)
      #expect(access("/tmp/never", F_OK) != 0)
    }
  }

  @Test(
    "can't be impersonated by a machine in between that has a key of its own",
    .enabled(if: TLSServerTests.hasPrograms, "openssl and python3 are needed"))
  func relayInBetween() async throws {
    try await Sandbox.withKeys([("one", "")]) { sandbox, address in
      let port = String(try #require(address.split(separator: ":").last))
      let authority = try await Authority(sandbox)
      let relay = try Child(
        [
          "env", "python3", TLSServerTests.programs + "tls_relay.py", port, authority.certificate,
          authority.certificate.replacing(".pem", with: ".key"),
        ], environment: sandbox.environment, input: .pipe)
      let relayed = "tls://127.0.0.1:\(try #require(await relay.line()))"
      #expect(try await sandbox.telpher(at: address, key: "one", "run", "--", "true").status == 0)
      // The client accepts the key of the relay, which passes the proof on.
      let unpinned = try await sandbox.telpher(at: relayed, key: "one", "run", "--", "echo", "hi")
      #expect(unpinned.status == 125)
      #expect(unpinned.output.isEmpty)
      #expect(unpinned.errorText.contains("none of the client's ssh keys"))
      // The client knows the server's key.
      let fingerprint = String(try await sandbox.telpher("keys").text.split(separator: " ")[1])
      let pinned = await
        (try sandbox.start([
          "run", "--on", relayed, "--host-key", fingerprint, "--identity", sandbox.folder + "/one",
          "--", "echo", "hi",
        ])).finish()
      #expect(pinned.status == 125)
      #expect(pinned.errorText.contains("not \(fingerprint) as given"))
      relay.closeInput()
      #expect(await relay.wait() == 0)
    }
  }

  @Test("are refused if the server takes no keys")
  func none() async throws {
    try await Sandbox.withKeys([("one", "")], ["--authorized-keys", "none"]) { sandbox, address in
      let refused = try await sandbox.telpher(at: address, key: "one", "run", "--", "echo", "hi")
      #expect(refused.status == 125)
      #expect(refused.output.isEmpty)
    }
  }
}
