import Glibc
import TelpherTestSupport
import Testing

/// Users of a test's own.
private enum OwnUsers {
  static let arePossible: Bool = {
    guard geteuid() == 0, SSHTools.areInstalled else { return false }
    return system("unshare -m mount --bind /etc/passwd /etc/passwd 2>/dev/null") == 0
  }()
}

/// A server of root with `run_as: from-key`, in a mount namespace with a /etc/passwd of its own: it has
/// the users anna and bert, whose homes are in the sandbox.
@Suite(
  .timeLimit(.minutes(10)),
  .enabled(
    if: OwnUsers.arePossible,
    "only root with ssh-keygen, and unshare(1) that may mount, can have users of its own"))
struct FromKeyTests {
  private let sandbox: Sandbox

  init() async throws {
    sandbox = try Sandbox()
    chmod(sandbox.folder, 0o755)
    let made = try await sandbox.shell(
      """
      cd "$HOME" && cp /etc/passwd passwd && cp /etc/shadow shadow && cp /etc/shells shells
      for user in anna:23401 bert:23402; do
        name=${user%:*} id=${user#*:}
        echo "$name:x:$id:$id::$HOME/$name:/bin/sh" >>passwd
        ssh-keygen -q -t ed25519 -N '' -C '' -f $name-key
        mkdir -p $name/.ssh && chmod 755 $name && chmod 700 $name/.ssh
        cp $name-key.pub $name/.ssh/authorized_keys && chmod 600 $name/.ssh/authorized_keys
        chown -R $id:$id $name
      done
      """)
    #expect(made.status == 0, "\(made.errorText)")
  }

  private func withServer(_ rules: String, body: (String) async throws -> Void) async throws {
    sandbox.write("rules:\n  - \(rules)\n", to: sandbox.folder + "/policy.yml")
    let server = try Child(
      [
        "/usr/bin/env", "unshare", "-m", "sh", "-c",
        """
        for file in passwd shadow shells; do mount --bind "$HOME/$file" "/etc/$file" || exit; done
        exec '\(Sandbox.program)' serve \
        --listen tls:127.0.0.1:0 --policy "$HOME/policy.yml" --audit "$HOME/audit" 2>"$HOME/log"
        """,
      ], environment: sandbox.environment)
    guard let line = await server.line(), let port = line.split(separator: ":").last else {
      throw Failed("no server: \(await server.finish().errorText)")
    }
    let result: Result<Void, any Error>
    do { result = .success(try await body("tls://127.0.0.1:\(port)")) } catch {
      result = .failure(error)
    }
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
    try result.get()
  }

  private func telpher(
    _ address: String, _ key: String, _ arguments: String...
  ) async throws -> Finished {
    try await sandbox.start(
      [arguments[0], "--on", address, "--accept-new", "--identity", "\(sandbox.folder)/\(key)-key"]
        + arguments.dropFirst()
    ).finish()
  }

  @Test func `Each key acts as the user whose file has it`() async throws {
    try await withServer("{for: '*', allow: all, run_as: from-key}") { address in
      for (name, id) in [("anna", "23401"), ("bert", "23402")] {
        let command = try await telpher(
          address, name, "run", "--", "sh", "-c", "id -u; pwd; echo $USER")
        #expect(
          command.text == "\(id)\n\(sandbox.folder)/\(name)\n\(name)\n", "\(command.errorText)")
        sandbox.write(name, to: sandbox.folder + "/file")
        let put = try await telpher(address, name, "put", sandbox.folder + "/file", "mine")
        #expect(put.status == 0, "\(put.errorText)")
        var status = stat()
        #expect(stat("\(sandbox.folder)/\(name)/mine", &status) == 0)
        #expect("\(status.st_uid)" == id)
        #expect(try await telpher(address, name, "run", "--shell", "exec id -u").text == "\(id)\n")
      }
      chmod(sandbox.folder + "/anna/mine", 0o600)
      let other = try await telpher(
        address, "bert", "get", sandbox.folder + "/anna/mine", sandbox.folder + "/got")
      #expect(other.errorText.contains("Permission denied"), "\(other.errorText)")
      let recorded = try await sandbox.shell("grep -c '\"user\":23401' ~/audit")
      #expect(recorded.text != "0\n")
    }
  }

  @Test func `A file that others could change, lets no client in`()
    async throws
  {
    try await withServer("{for: '*', allow: all, run_as: from-key}") { address in
      #expect(try await telpher(address, "anna", "run", "--", "true").status == 0)
      chmod(sandbox.folder + "/anna/.ssh", 0o777)
      let open = try await telpher(address, "anna", "run", "--", "true")
      #expect(open.errorText.contains("none of the client's ssh keys"), "\(open.errorText)")
      chmod(sandbox.folder + "/anna/.ssh", 0o700)
      #expect(try await telpher(address, "anna", "run", "--", "true").status == 0)
    }
  }

  /// Bert can neither catch the holder of Anna's key nor lock it out.
  @Test(arguments: ["", "from=\"192.0.2.1\" ", "expiry-time=\"20000101\" ", "no-such-option "])
  func `A key of two users is that of the user whom the client names`(_ options: String)
    async throws
  {
    try await withServer("{for: '*', allow: all, run_as: from-key}") { address in
      let anna = address.replacing("tls://", with: "tls://anna@")
      let bert = address.replacing("tls://", with: "tls://bert@")
      #expect(try await telpher(address, "anna", "info").text.contains("anna"))
      let both = try await sandbox.shell(
        """
        cat ~/anna-key.pub >>~/bert/.ssh/authorized_keys
        echo '\(options)'"$(cat ~/anna-key.pub)" >~/anna/.ssh/authorized_keys
        """)
      #expect(both.status == 0)
      let unnamed = try await telpher(address, "anna", "run", "--", "id", "-u")
      #expect(unnamed.errorText.contains("none of the client's ssh keys"), "\(unnamed.errorText)")
      #expect(unnamed.text.isEmpty)
      let named = try await telpher(anna, "anna", "run", "--", "id", "-u")
      #expect(named.text == (options.isEmpty ? "23401\n" : ""), "\(named.errorText)")
      // A client with the key may also act as Bert if it asks for that user.
      #expect(try await telpher(bert, "anna", "run", "--", "id", "-u").text == "23402\n")
      #expect(try await telpher(bert, "bert", "run", "--", "id", "-u").text == "23402\n")
      #expect(try await telpher(anna, "bert", "run", "--", "id", "-u").text.isEmpty)
      #expect(
        try await telpher(address.replacing("tls://", with: "tls://carl@"), "bert", "ping").status
          == 125)
    }
  }

  @Test(arguments: [
    (
      "expired", "sed -i 's/^anna:.*/anna:*:20000:0:99999:7::1:/' shadow", "the account has expired"
    ),
    ("locked", "sed -i 's/^anna:[*]/anna:!/' shadow", "the account is locked"),
    (
      "rbash", "sed -i '/^anna:/s,/bin/sh,/bin/rbash,' passwd; echo /bin/rbash >>shells",
      "may restrict"
    ),
    ("unlisted", "sed -i '/^anna:/s,/bin/sh,/opt/x/sh,' passwd", "/opt/x/sh is not in /etc/shells"),
    (
      "missing", "sed -i '/^anna:/s,/bin/sh,/opt/x/sh,' passwd; echo /opt/x/sh >>shells",
      "can't be executed"
    ),
  ])
  func `A user that sshd would not serve is not served`(
    _ name: String, _ change: String, _ reason: String
  ) async throws {
    let made = try await sandbox.shell("cd \"$HOME\" && echo 'anna:*:20000:0:99999:7:::' >>shadow")
    #expect(made.status == 0)
    try await withServer("{for: '*', allow: all, run_as: from-key}") { address in
      #expect(try await telpher(address, "anna", "run", "--", "id", "-u").text == "23401\n")
      // The file is bound, so it is written in place.
      let changed = try await sandbox.shell(
        """
        cd "$HOME" && mkdir new && cp passwd shadow shells new && cd new && \(change)
        for file in *; do cat $file >../$file; done
        """)
      #expect(changed.status == 0, "\(changed.errorText)")
      let refused = try await telpher(address, "anna", "run", "--", "id", "-u")
      #expect(refused.status == 125 && refused.text.isEmpty)
      #expect(refused.errorText.contains("none of the client's ssh keys"), "\(refused.errorText)")
      try await eventually("the log says why") {
        try await sandbox.text(of: sandbox.folder + "/log")?.contains(reason) == true
      }
      #expect(try await telpher(address, "bert", "run", "--", "id", "-u").text == "23402\n")
    }
  }

  @Test func `A key of a user gets no other rule`() async throws {
    try await withServer(
      "{for: '*', allow: all}\n  - {for: '*', commands: [[id, -u]], run_as: from-key}"
    ) { address in
      #expect(try await telpher(address, "anna", "run", "--", "id", "-u").text == "23401\n")
      let denied = try await telpher(address, "anna", "run", "--", "true")
      #expect(denied.errorText.contains("you may not run this command"), "\(denied.errorText)")
    }
  }
}
