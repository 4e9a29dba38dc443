import TelpherPolicy
import TelpherText
import TelpherTransport
import Testing

/// How a policy file is read, and its mistakes.
struct PolicyReaderTests {
  private static func policy(_ text: String) throws -> Policy {
    try Policy(parsing: text, file: "p.yml", PolicyTests.values)
  }

  @Test(arguments: [
    ("", 1, "a policy must have keys and values"), ("rules:", 1, "'rules' must be a list"),
    ("groups: {a: owner}", 1, "no key 'rules'"), ("rulez: []\nrules: []", 1, "no key 'rulez'"),
    ("rules: []\nrules: []", 2, "the key 'rules' is on line 1 already"),
    // None of these ends a line, so what follows belongs to the comment.
    ("rules:\n  # a\u{B}  - {for: owner, shell: true}", 2, "there is a control character"),
    ("rules:\n  # a\u{C}  - {for: owner, shell: true}", 2, "there is a control character"),
    ("rules:\n  # a\u{85}  - {for: owner, shell: true}", 2, "there is a control character"),
    ("rules:\r\n  # a\u{2028}  - {for: owner, shell: true}", 2, "a separator of lines"),
    ("rules:\r  # a\u{2029}  - {for: owner, shell: true}", 2, "a separator of lines"),
    ("rules: [] # \u{1B}[2K", 1, "there is a control character"),
    ("rules: [{for: owner, shell: true\u{A0}# a}]", 1, "true or false"),
    ("rules: []\n...\n# a\n\nrules: [{for: x}]", 5, "only comments may follow the end"),
    ("rules: []\n...\n---\n", 3, "only comments may follow the end"),
    ("rules: []\n---\nrules: []", 2, "there is a second document"),
    ("...\nrules: []", 2, "only comments may follow the end"),
    ("rules: [\n...\n]", 2, "a bracket is not closed"),
    ("rules:\n  - for: owner", 2, "the rule allows nothing"),
    ("rules:\n  - shell: true", 2, "no key 'for'"),
    ("rules:\n  - for: owner\n    shell: true\n    shel: true", 4, "no key 'shel'"),
    ("rules:\n  - for: owner\n    shell: yes", 3, "true or false, not 'yes'"),
    ("rules:\n  - for: owner\n    shell: true\n    shell: false", 4, "is on line 3 already"),
    ("rules:\n  - for: nobody\n    shell: true", 2, "'nobody' is neither an identity"),
    ("rules:\n  - for: []\n    shell: true", 2, "'for' is empty"),
    ("rules:\n  - for: [owner,\n      SHA256:abc]\n    shell: true", 3, "'SHA256:abc' is neither"),
    ("groups:\n  owner: owner\nrules: []", 2, "can't be the name of a group"),
    ("groups:\n  a: b\n  b: owner\nrules: []", 2, "'b' is neither"),
    ("groups:\n  a: owner\n  a: owner\nrules: []", 3, "'a' is on line 2 already"),
    ("rules:\n  - for: owner\n    allow: some", 3, "only be 'all'"),
    ("rules:\n  - for: owner\n    allow: all\n    shell: true", 4, "allows 'shell' already"),
    ("rules:\n  - for: owner\n    commands:\n      - ls", 4, "a command is a list"),
    ("rules:\n  - for: owner\n    commands:\n      - []", 4, "needs a program"),
    ("rules:\n  - for: owner\n    commands:\n      - ['...']", 4, "needs a program"),
    ("rules:\n  - for: owner\n    commands:\n      - ['a\\']", 4, "single backslash"),
    ("rules:\n  - for: owner\n    commands: [[a, [b]]]", 3, "must be a text, not a list"),
    ("rules:\n  - for: owner\n    read: srv", 3, "'srv' is not a folder path"),
    ("rules:\n  - for: owner\n    read:\n      - /a\n      - /a/../b", 5, "is not a folder path"),
    ("rules:\n  - for: owner\n    read: {a: b}", 3, "must be a list, not keys and values"),
    ("rules:\n  - for: owner\n    connect: ['db:1']", 3, "'db:1' is not an address"),
    ("rules:\n  - for: owner\n    connect: ['tcp:db:99999']", 3, "is not an address"),
    ("rules:\n  - for: owner\n    jobs: mine", 3, "'own' or 'all', not 'mine'"),
    ("rules:\n  - for: owner\n    read: /a\n    limits: {time: 1}", 4, "allows no command"),
    ("rules:\n  - for: owner\n    shell: true\n    limits: {time: x}", 4, "'x' is not a time"),
    ("rules:\n  - for: owner\n    shell: true\n    limits:\n      memory: 1G", 5, "no limit"),
    ("rules:\n  - for: owner\n    shell: true\n    limits: {concurrency: 0}", 4, "from 1 to"),
    ("rules:\n  - for: owner\n    shell: true\n    environment: {A=B: c}", 4, "a variable"),
    ("rules:\n  - for: owner\n    shell: true\n    environment: {A: [b]}", 4, "must be a text"),
    ("rules:\n  - for: owner\n    shell: true\n    directory: srv", 4, "absolute path"),
    ("rules:\n  - for: owner\n    shell: true\n    run_as: ''", 4, "the name of a user"),
    ("rules:\n  - for: owner\n    jobs: all\n    run_as: www", 3, "can't be combined"),
    (
      "rules:\n  - for: owner\n    commands: any\n    accept_environment: [A]", 4,
      "is of no use"
    ),
    ("rules:\n  - for: owner\n    commands: |\n      any", 3, "over several lines"),
    ("rules:\n  - for: &a owner\n    shell: true", 2, "anchors"),
    ("rules:\n\t- a", 2, "tab"),
  ])
  func `A mistake is reported with its line`(_ text: String, _ line: Int, _ message: String) {
    let error = #expect(throws: PolicyError.self) { try Self.policy(text) }
    #expect(error?.line == line, "\(text): \(String(describing: error))")
    #expect(error?.message.contains(message) == true, "\(String(describing: error))")
    #expect(error?.description.hasPrefix("p.yml:\(line): ") == true)
  }

  @Test func `A policy has a greatest length`() throws {
    let start = "rules: []\n#"
    let rest = String(repeating: "x", count: Policy.maxLength - start.utf8.count)
    #expect(try Self.policy(start + rest).rules.isEmpty)
    let error = #expect(throws: PolicyError.self) { try Self.policy(start + rest + "x") }
    #expect(error?.message.contains("longer than 1048576 bytes") == true)
  }

  @Test(arguments: ["\n", "\r\n", "\r"])
  func `A line ends with LF, CR or both`(_ end: String) throws {
    let text = [
      "---", "rules: # all", "  - for: owner\t# me", "    shell: true", "... # end", "# x",
    ]
    .joined(separator: end)
    let rule = try #require(try Self.policy(text).rules.first)
    #expect(rule.line == 3)
    #expect(rule.allowsShell)
  }

  @Test func `Each key is read`() throws {
    let text = """
      # Comments are skipped.
      groups:
        a: owner
        b: [a, "cert:x"]
      rules:
        - for: [b]
          commands: [[id], [ls, "..."]]
          shell: true
          terminal: true
          read: /srv
          write: [~/a]
          jobs: own
          connect: any
          listen: ["tcp:localhost:80"]
          environment: {LANG: C, "A B": "1"}
          accept_environment: TERM
          directory: /srv
          limits:
            cpu-time: 5
            time: 10
            concurrency: 2
          run_as: www
      """
    let rule = try #require(try Self.policy(text).rules.first)
    #expect(rule.line == 6)
    #expect(rule.identities == [.owner, .certificate("x")])
    #expect(rule.allowsShell && rule.allowsTerminal && !rule.allowsJobsOfOthers)
    #expect(rule.reads == [PolicyPath("/srv")])
    #expect(rule.writes == [PolicyPath("~/a")])
    #expect(rule.connects == .any)
    #expect(!rule.listens.isEmpty)
    #expect(rule.environment == ["LANG": "C", "A B": "1"])
    #expect(rule.directory == "/srv")
    #expect(rule.limits == [ResourceLimit(.cpuSeconds, 5)])
    #expect(rule.milliseconds == 10_000)
    #expect(rule.concurrency == 2)
    #expect(rule.runsAs == .user("www"))
  }

  /// A file that was cut or damaged is read as what it says or is refused; it never ends the program.
  @Test func `Damaged files do no harm`() throws {
    let whole = Array(
      """
      groups: {a: [owner, "cert:x"]}
      rules:
        - {for: a, commands: [[id, "*"]], limits: {time: 10}}
        - for: "*"
          read: ["/srv", '~']
      """.utf8)
    for count in 0..<whole.count {
      _ = try? Self.policy(String(decoding: whole[..<count], as: UTF8.self))
      for byte in Array("-:[]{}'\"#*& \n\\".utf8) {
        var damaged = whole
        damaged[count] = byte
        _ = try? Self.policy(String(decoding: damaged, as: UTF8.self))
      }
    }
  }
}
