import TelpherPolicy
import TelpherTestSupport
import TelpherText
import TelpherTransport
import Testing

/// What a policy decides.
struct PolicyTests {
  static let key = "SHA256:" + String(repeating: "A", count: 43)
  static let otherKey = "SHA256:" + String(repeating: "B", count: 43)
  static let values = PolicyValues(
    limit: { (name, value) throws(PolicyValues.Mistake) in
      guard name == "cpu-time", let number = UInt64(value) else {
        throw PolicyValues.Mistake("there is no limit '\(name)'")
      }
      return ResourceLimit(.cpuSeconds, number)
    },
    milliseconds: { (value) throws(PolicyValues.Mistake) in
      guard let seconds = Int64(value) else {
        throw PolicyValues.Mistake("'\(value)' is not a time")
      }
      return seconds * 1_000
    })

  private static func policy(_ text: String) throws -> Policy {
    try Policy(parsing: text, file: "p.yml", values)
  }

  /// The line of the rule that allows a request; nil if it is denied.
  private func line(
    _ text: String, _ request: PolicyRequest, by subject: PolicySubject = .owner
  ) throws -> Int? {
    guard case .allowed(let rule) = try Self.policy(text).decide(request, by: subject) else {
      return nil
    }
    return rule.line
  }

  private func message(
    _ text: String, _ request: PolicyRequest, by subject: PolicySubject = .owner
  ) throws -> String? {
    guard case .denied(let denial) = try Self.policy(text).decide(request, by: subject) else {
      return nil
    }
    return denial.message
  }

  private func run(_ words: String...) -> PolicyRequest.Run {
    PolicyRequest.Run(argv: words.map { Array($0.utf8) })
  }

  private func path(_ text: String) -> PolicyPath { PolicyPath(text)! }

  // MARK: Identities

  @Test func `A rule is for the identities and groups that it names`() throws {
    let text = """
      groups:
        staff: ["\(Self.key)", "cert:a.example"]
      rules:
        - for: staff
          shell: true
        - {for: owner, commands: any}
      """
    let shell = PolicyRequest.run(PolicyRequest.Run(argv: nil))
    #expect(try line(text, shell, by: .key(fingerprint: Self.key, account: nil)) == 4)
    #expect(try line(text, shell, by: .certificate("a.example")) == 4)
    #expect(try line(text, shell, by: .certificate("b.example")) == nil)
    #expect(try line(text, shell, by: .key(fingerprint: Self.otherKey, account: nil)) == nil)
    #expect(try line(text, shell, by: .owner) == nil)
    #expect(try line(text, .run(run("ls"))) == 6)
  }

  @Test func `A star is for every client, and the first rule that allows decides`() throws {
    let text = """
      rules:
        - {for: "*", commands: [[id]]}
        - {for: owner, commands: any, environment: {A: b}}
        - {for: "*", shell: true}
      """
    #expect(try line(text, .run(run("id"))) == 2)
    #expect(try line(text, .run(run("ls"))) == 3)
    #expect(try line(text, .run(PolicyRequest.Run(argv: nil))) == 4)
    #expect(try line(text, .run(run("ls")), by: .certificate("x")) == nil)
  }

  @Test func `A key of a user's own file gets only the rules that run as this user`() throws {
    let text = """
      rules:
        - {for: "*", allow: all}
        - {for: "\(Self.key)", commands: any, run_as: www}
        - {for: "*", commands: any, run_as: from-key}
      """
    let ls = PolicyRequest.run(run("ls"))
    #expect(try line(text, ls, by: .key(fingerprint: Self.key, account: "anna")) == 4)
    #expect(try line(text, ls, by: .key(fingerprint: Self.key, account: nil)) == 2)
    #expect(try Self.policy(text).usesKeysOfUsers)
    let fromKey = "rules: [{for: '*', commands: any, run_as: from-key}]"
    #expect(try line(fromKey, ls, by: .key(fingerprint: Self.key, account: nil)) == 1)
    #expect(try line(fromKey, ls, by: .owner) == nil)
    #expect(try line(fromKey, ls, by: .certificate("a")) == nil)
  }

  // MARK: Commands

  @Test(arguments: [
    (["systemctl", "restart", "web-1"], true), (["systemctl", "restart", "web-"], true),
    (["systemctl", "restart", "db-1"], false), (["systemctl", "restart"], false),
    (["systemctl", "restart", "web-1", "db"], false), (["systemctl restart web-1"], false),
    (["systemctl", "restart web-1"], false), (["systemctl", "restart", "web-1 db"], true),
    (["systemctl", "restart", "web-a/b"], false), (["systemctl", "restart", "web-/../x"], false),
    (["SYSTEMCTL", "restart", "web-1"], false), (["/bin/systemctl", "restart", "web-1"], false),
    (["tail", "-f", "/var/log/a"], true), (["tail", "-f", "/var/log/a/b"], true),
    (["tail", "-f", "/var/log/../../etc/shadow"], false), (["tail", "-f", "/var/log/a/.."], false),
    (["tail", "-f", "/var/log/..a"], true), (["rm", "a"], true), (["rm", "-rf"], false),
    (["rm", ""], true), (["git"], true), (["git", "log", "-p", "../x"], true), (["gi"], false),
    (["echo", "*"], true), (["echo", "a"], false), ([], false),
  ])
  func `Each argument must match its pattern`(_ words: [String], _ isAllowed: Bool) throws {
    let text = #"""
      rules:
        - for: owner
          commands:
            - [systemctl, restart, "web-*"]
            - [tail, -f, "/var/log/**"]
            - [rm, "*"]
            - [git, "..."]
            - [echo, '\*']
      """#
    let request = PolicyRequest.Run(argv: words.map { Array($0.utf8) })
    #expect((try line(text, .run(request)) != nil) == isAllowed, "\(words)")
  }

  @Test func `A listed command takes no environment, no directory and no terminal`() throws {
    let text = """
      rules:
        - {for: owner, commands: [[id]], accept_environment: [LANG, "LC_*"]}
      """
    var request = run("id")
    request.variables = ["LANG", "LC_ALL"]
    #expect(try line(text, .run(request)) == 2)
    request.variables = ["LANG", "LD_PRELOAD"]
    #expect(try message(text, .run(request))?.contains("set the variable LD_PRELOAD") == true)
    request = run("id")
    request.choosesDirectory = true
    #expect(try message(text, .run(request))?.contains("working directory") == true)
    request = run("id")
    request.startsEmpty = true
    #expect(try message(text, .run(request))?.contains("environment") == true)
    request = run("id")
    request.usesTerminal = true
    #expect(try message(text, .run(request))?.contains("terminal") == true)
    // With any command they allow nothing that the client can't do anyway.
    request.usesTerminal = false
    request.variables = ["LD_PRELOAD"]
    (request.choosesDirectory, request.startsEmpty) = (true, true)
    #expect(try line("rules: [{for: owner, commands: any}]", .run(request)) == 1)
  }

  @Test func `Commands, lines for a shell and terminals are allowed one by one`() throws {
    let line = PolicyRequest.Run(argv: nil)
    var session = line
    session.usesTerminal = true
    let command = run("sh", "-c", "id")
    for (keys, allowed) in [
      ("commands: any", [false, false, true]), ("shell: true", [true, false, false]),
      ("shell: true, terminal: true", [true, true, false]), ("allow: all", [true, true, true]),
      ("read: [/]", [false, false, false]), ("shell: false", [false, false, false]),
    ] {
      let text = "rules: [{for: owner, \(keys)}]"
      for (request, isAllowed) in zip([line, session, command], allowed) {
        #expect((try self.line(text, .run(request)) != nil) == isAllowed, "\(keys): \(request)")
      }
    }
  }

  // MARK: Files and addresses

  @Test(arguments: [
    ("/srv/a", true, true), ("/srv/a/b", true, true), ("/srv/ab", true, false),
    ("/srv", true, false), ("/", false, false), ("~/x", true, false), ("~", true, false),
    ("/home/me/x", false, false), ("/srv/a/./b/", true, true),
  ])
  func `Files are used in the folders of the rule`(
    _ text: String, _ mayRead: Bool, _ mayWrite: Bool
  ) throws {
    let policy = "rules: [{for: owner, read: [/srv, '~'], write: /srv/a}]"
    var files = PolicyRequest.Files()
    files.reads = [path(text)]
    #expect((try line(policy, .files(files)) != nil) == mayRead)
    files = PolicyRequest.Files()
    files.writes = [path(text)]
    #expect((try line(policy, .files(files)) != nil) == mayWrite)
    files = PolicyRequest.Files()
    files.looks = [path(text)]
    #expect((try line(policy, .files(files)) != nil) == (mayRead || mayWrite))
    // All of a request must be allowed.
    files = PolicyRequest.Files()
    files.writes = [path("/srv/a"), path(text)]
    #expect((try line(policy, .files(files)) != nil) == mayWrite)
  }

  @Test(arguments: [
    ("tcp:db:5432", true), ("tcp:DB:5432", true), ("tcp:db:5433", false), ("tcp:x:80", true),
    ("tcp:[::1]:9", true), ("unix:/run/app/a", true), ("unix:/run/app/../x", false),
    ("unix:/run/x", false), ("tcp:127.0.0.1:5432", false), ("hub:web-1", true), ("hub:db", false),
  ])
  func `Connections go to the addresses of the rule`(_ text: String, _ isAllowed: Bool) throws {
    let policy = """
      rules:
        - for: owner
          connect: ["tcp:db:5432", "tcp:*:80", "tcp:[::1]:*", "unix:/run/app/*", "hub:web-*"]
      """
    let address = try StreamTarget(parsing: text)
    #expect((try line(policy, .connect(address)) != nil) == isAllowed)
    #expect(try line(policy, .listen(address)) == nil)
    #expect(try line(policy, .accept) == nil)
    #expect(try line("rules: [{for: owner, listen: any}]", .listen(address)) == 1)
    #expect(try line("rules: [{for: owner, listen: any}]", .accept) == 1)
    #expect(try line("rules: [{for: owner, listen: any}]", .connect(address)) == nil)
  }

  // MARK: Denials

  @Test func `A denial speaks of what was asked for, and of no other identity`() throws {
    let text = """
      rules:
        - {for: "cert:secret.example", allow: all}
        - {for: owner, commands: [[id]]}
      """
    #expect(
      try message(text, .run(run("ls")))
        == "the server's policy does not allow this: you may not run this command")
    #expect(
      try message(text, .run(run("ls")), by: .certificate("x"))
        == "the server's policy does not allow this: it has no rule for you")
    var files = PolicyRequest.Files()
    files.reads = [path("/etc/shadow")]
    #expect(try message(text, .files(files))?.hasSuffix("you may not read /etc/shadow") == true)
    guard case .denied(let denial) = try Self.policy(text).decide(.files(files), by: .owner) else {
      Issue.record("it is allowed")
      return
    }
    #expect(denial.reasons.map(\.line) == [3])
  }

  @Test func `Jobs of others need a rule that says so`() throws {
    #expect(try Self.policy("rules: [{for: '*', allow: all}]").allowsJobsOfOthers(to: .owner))
    let policy = try Self.policy("rules: [{for: owner, jobs: all}, {for: '*', commands: any}]")
    #expect(policy.allowsJobsOfOthers(to: .owner))
    #expect(!policy.allowsJobsOfOthers(to: .certificate("a")))
    let other = try Self.policy("rules: [{for: owner, allow: all, run_as: www}]")
    #expect(!other.allowsJobsOfOthers(to: .owner))
  }

  // MARK: Properties

  /// No policy of a limited set of rules allows what no rule by itself allows, and the order of rules
  /// changes only which of them decides.
  @Test func `A policy allows exactly what one of its rules allows`() throws {
    var random = SeededGenerator(seed: 18)
    let rules = [
      "{for: owner, commands: [[a, '*']]}", "{for: '*', commands: any, terminal: true}",
      "{for: 'cert:x', shell: true}", "{for: owner, read: [/a], write: [/a/b]}",
      "{for: '*', read: ['~']}", "{for: 'cert:x', connect: any}", "{for: owner, listen: any}",
    ]
    var files = PolicyRequest.Files()
    files.reads = [path("/a/b/c"), path("/a")]
    var terminal = run("a", "b")
    terminal.usesTerminal = true
    let requests: [PolicyRequest] = [
      .run(run("a", "b")), .run(run("a")), .run(terminal), .run(PolicyRequest.Run(argv: nil)),
      .files(files), .connect(.socket(.unix(path: "/x"))),
      .listen(.socket(.tcp(host: "h", port: 1))), .accept,
    ]
    for _ in 0..<200 {
      let chosen = rules.shuffled(using: &random).prefix(Int.random(in: 1...4, using: &random))
      let text = "rules: [\(chosen.joined(separator: ", "))]"
      for subject in [PolicySubject.owner, .certificate("x"), .certificate("y")] {
        for request in requests {
          let alone = try chosen.map { rule in
            try line("rules: [\(rule)]", request, by: subject) != nil
          }
          #expect((try line(text, request, by: subject) != nil) == alone.contains(true), "\(text)")
        }
      }
    }
  }
}
