import Glibc
import Testing

/// `telpher policy`
struct PolicyCommandTests {
  private let sandbox: Sandbox
  private let key = "SHA256:" + String(repeating: "A", count: 43)
  private var file: String { sandbox.folder + "/policy.yml" }

  init() throws {
    sandbox = try Sandbox()
    sandbox.write(
      """
      groups:
        staff: ["\(key)", "cert:a.example"]
      rules:
        - for: staff
          commands: [[id], [ls, "..."]]
          read: [/srv]
          limits: {memory: 1G, time: 1m, concurrency: 2}
          run_as: www
        - {for: owner, shell: true, connect: ["tcp:db:5432"]}
        - {for: "*", shell: true, run_as: from-key}

      """, to: file)
  }

  @Test(arguments: ["0", "no-such-user", "owner"])
  func `check refuses a user that the server does not find`(_ name: String) async throws {
    sandbox.write("rules:\n  - {for: owner, shell: true, run_as: \(name)}\n", to: file)
    let checked = try await sandbox.telpher("policy", "check", file)
    #expect(checked.status != 0)
    let served = try await sandbox.telpher("serve", "--policy", file)
    let message = "\(file):2: 'run_as': there is no user '\(name)'"
    #expect(checked.errorText.contains(message), "\(checked.errorText)")
    #expect(served.errorText.contains(message), "\(served.errorText)")
  }

  @Test func `check refuses a file that others may change, and names missing folders`() async throws
  {
    sandbox.write("rules:\n  - {for: owner, read: /no-such-folder}\n", to: file)
    let folder = try await sandbox.telpher("policy", "check", file)
    #expect(folder.status == 0)
    #expect(folder.errorText.contains("/no-such-folder"), "\(folder.errorText)")
    chmod(file, 0o666)
    let open = try await sandbox.telpher("policy", "check", file)
    #expect(open.status != 0)
    #expect(open.errorText.contains("can be changed by other users"))
  }

  @Test func `check reports a mistake with its file and line`() async throws {
    sandbox.write("rules:\n  - {for: owner, shell: true}\n  - {for: '*', read: /}\n", to: file)
    let good = try await sandbox.telpher("policy", "check", file)
    #expect(good.text == "\(file): 2 rules\n")
    #expect(good.status == 0)
    sandbox.write("rules:\n  - for: owner\n    shel: true\n", to: file)
    let bad = try await sandbox.telpher("policy", "check", file)
    #expect(bad.errorText.contains("\(file):3: a rule has no key 'shel'"))
    #expect(bad.status == 125 || bad.status == 1)
  }

  @Test func `explain names the rule that decides`() async throws {
    func explain(_ arguments: String...) async throws -> Finished {
      try await sandbox.start(["policy", "explain", "--policy", file] + arguments).finish()
    }
    let allowed = try await explain("--as", key, "--", "ls", "-l")
    #expect(
      allowed.text
        == "allowed by the rule on line 4: as the user www, memory 1 GiB, for 60000 ms at most, 2 at once\n"
    )
    #expect(allowed.status == 0)
    let denied = try await explain("--as", "cert:a.example", "--", "rm", "x")
    #expect(denied.status == 1)
    #expect(denied.text.hasPrefix("denied: the server's policy does not allow this: you may not"))
    #expect(denied.text.hasSuffix("\n  rule on line 4: you may not run this command\n"))
    #expect(try await explain("--as", key, "--read", "/srv/a").status == 0)
    #expect(try await explain("--as", key, "--write", "/srv/a").status == 1)
    #expect(try await explain("--as", "owner", "--shell").text.contains("line 9"))
    #expect(try await explain("--as", "owner", "--shell", "-t").text.contains("no terminal"))
    #expect(try await explain("--as", "owner", "--connect", "tcp:db:5432").status == 0)
    #expect(try await explain("--as", "owner", "--listen", "tcp:db:5432").status == 1)
    #expect(try await explain("--as", key, "--key-of", "anna", "--shell").text.contains("line 10"))
    let nobody = try await explain("--as", "cert:b", "--", "ls")
    #expect(nobody.text.contains("it has no rule for you"))
    #expect(try await explain("--as", "me", "--", "ls").errorText.contains("is not an identity"))
    #expect(try await explain("--as", "owner").errorText.contains("name one thing to do"))
  }
}
