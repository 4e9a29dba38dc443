import Glibc
import Testing

@testable import TelpherCLI

/// Copies of telpher to places that lack it. A fake ssh runs its command on this machine with a home
/// and a PATH of its own. A script that runs the telpher of this test is copied in its place.
struct InstallTests {
  let sandbox: Sandbox
  private let there: String

  init() throws { try self.init(Sandbox()) }

  private init(_ sandbox: Sandbox) throws {
    self.sandbox = sandbox
    there = sandbox.folder + "/there"
    mkdir(there, 0o700)
    mkdir(there + "/bin", 0o700)
    addSSH()
    // Longer than one chunk and than a pipe.
    sandbox.write(
      "#!/bin/sh\nexec \(Sandbox.program) \"$@\"\n"
        + String(repeating: "# padding\n", count: 100_000),
      to: sandbox.folder + "/static")
  }

  /// - Parameter filter: a command that what arrives goes through.
  private func addSSH(filter: String = "") {
    sandbox.addProgram(
      "ssh",
      """
      #!/bin/bash
      echo call >>"$HOME/calls"
      while [ "$1" != -- ]; do shift; done; shift 2
      cd \(there); export HOME=\(there) PATH=\(there)/bin:/usr/bin:/bin
      exec sh -c "$*" \(filter.isEmpty ? "" : "< <(\(filter))")

      """)
  }

  /// Makes the telpher on the PATH there: its server says that it is of version 9.9.9.
  private func addOtherVersion() {
    sandbox.write(
      """
      #!/usr/bin/python3
      import os, subprocess, sys
      if sys.argv[1] == "--version":
          print("telpher 9.9.9")
          sys.exit()
      server = subprocess.Popen(["\(Sandbox.program)"] + sys.argv[1:], stdout=subprocess.PIPE)
      while data := os.read(server.stdout.fileno(), 65536):
          os.write(1, data.replace(b"telpher 0.1.0", b"telpher 9.9.9"))
      """, to: there + "/bin/telpher")
    chmod(there + "/bin/telpher", 0o755)
  }

  /// Runs the program without a terminal.
  private func telpher(_ arguments: String...) async throws -> Finished {
    let child = try Child(
      ["setsid", "-w", Sandbox.program] + arguments,
      environment: sandbox.environment.merging(
        ["TELPHER_STATIC": sandbox.folder + "/static"]) { $1 })
    return await child.finish()
  }

  private func calls() async throws -> Int {
    try await sandbox.text(of: sandbox.folder + "/calls")?.split(separator: "\n").count ?? 0
  }

  /// The files below the home there.
  private func files() async throws -> [String] {
    try await sandbox.shell("cd \(there) && find . -type f | sort").text
      .split(separator: "\n").map(String.init)
  }

  @Test func aCopyIsMadeOnceAndUsedAgain() async throws {
    let first = try await telpher("on", "far", "--install", "always", "--", "sh", "-c", "exit 4")
    #expect(first.status == 4)
    #expect(first.errorText == "")
    #expect(try await calls() == 1, "one ssh copies the program and carries the connection")
    let copies = try await files()
    #expect(copies.count == 1)
    let copy = try #require(copies.first?.dropFirst(2))
    #expect(copy.hasPrefix(".cache/telpher/0.1.0-") && copy.hasSuffix("/telpher"))
    #expect(mode(of: "\(there)/\(copy)") == 0o700)
    #expect(try await sandbox.shell("cmp \"$HOME/static\" '\(there)/\(copy)'").status == 0)

    // The copy is there, so nothing is asked. The umask is that of the login.
    let second = try await telpher("on", "far", "--shell", "umask")
    #expect(second.text == (try await sandbox.shell("umask").text))
    #expect(second.errorText == "")
    #expect(try await calls() == 2)
  }

  @Test func withoutATerminalNothingIsCopiedUnlessAlwaysIsGiven() async throws {
    for (index, option) in ["ask", "never"].enumerated() {
      let result = try await telpher("on", "far", "--install", option, "--", "true")
      #expect(result.status == 125)
      #expect(result.errorText.contains("there is no telpher on far"))
      #expect(result.errorText.contains("'--install always' copies") == (option == "ask"))
      #expect(try await calls() == index + 1, "one login")
    }
    #expect(access(there + "/.cache", F_OK) != 0)
  }

  @Test func aDamagedCopyIsNotRun() async throws {
    #expect(try await telpher("on", "far", "--install", "always", "true").status == 0)
    let copy = try #require(try await files().first)
    sandbox.write("#!/bin/sh\ntouch ran\n", to: "\(there)/\(copy)")
    #expect(try await telpher("on", "far", "true").status == 125)
    #expect(try await files() == [copy])
    #expect(try await telpher("on", "far", "--install", "always", "true").status == 0)
    #expect(try await telpher("on", "far", "true").status == 0)
  }

  @Test func theTelpherOfThePathIsUsedIfItHasTheSameVersion() async throws {
    symlink(Sandbox.program, there + "/bin/telpher")
    let result = try await telpher("on", "far", "--install", "always", "--", "echo", "in")
    #expect(result.text == "in\n")
    #expect(result.errorText == "")
    #expect(try await calls() == 1)
    #expect(try await files() == [])
  }

  @Test(.enabled(if: access("/usr/bin/python3", X_OK) == 0, "needs python3"))
  func anotherVersionIsReportedOrReplaced() async throws {
    addOtherVersion()
    let asked = try await telpher("on", "far", "--", "sh", "-c", "exit 5")
    #expect(asked.status == 5)
    #expect(
      asked.errorText
        == "telpher: far has telpher 9.9.9, and this is telpher 0.1.0: '--install always' copies this telpher there\n"
    )
    let never = try await telpher("on", "far", "--install", "never", "--", "true")
    #expect(never.status == 0 && never.errorText == "")
    let always = try await telpher("on", "far", "--install", "always", "--", "echo", "in")
    #expect(always.text == "in\n" && always.errorText == "")
    #expect(try await files().count == 2)
  }

  @Test(arguments: [("y\n", true), ("n\n", false), ("\n", false), ("\u{4}", false)])
  func onATerminalTheUserIsAsked(_ answer: String, _ copies: Bool) async throws {
    let child = try TerminalChild(
      [Sandbox.program, "on", "far", "--", "sh", "-c", "exit 6"],
      environment: sandbox.environment.merging(
        ["TELPHER_STATIC": sandbox.folder + "/static"]) { $1 }, directory: sandbox.folder)
    #expect(await child.find("into ~/.cache/telpher/0.1.0-"))
    #expect(await child.find("[y/N] "))
    child.type(answer)
    #expect(await child.finish().status == (copies ? 6 : 125))
    #expect(try await files().isEmpty == !copies)
    #expect((access(there + "/.cache", F_OK) == 0) == copies)
    #expect(try await calls() == 1, "one login, also if the answer is no")
  }

  @Test(.enabled(if: access("/usr/bin/python3", X_OK) == 0, "needs python3"))
  func theOtherVersionServesInTheSameLoginIfACopyIsDeclined() async throws {
    addOtherVersion()
    let result = try await telpher("on", "far", "--", "sh", "-c", "umask; exit 5")
    #expect(result.status == 5)
    #expect(result.text == (try await sandbox.shell("umask").text))
    #expect(result.errorText.contains("far has telpher 9.9.9"))
    #expect(try await calls() == 1)
    #expect(access(there + "/.cache", F_OK) != 0)
  }

  @Test func aCopyThatIsCutOffLeavesNothing() async throws {
    addSSH(filter: "head -c 300000")
    let result = try await telpher("on", "far", "--install", "always", "true")
    #expect(result.status == 125)
    #expect(result.errorText.contains("telpher could not be copied to far"))
    #expect(try await files() == [])
  }

  @Test func whyACopyFailedIsReported() async throws {
    sandbox.write("a file", to: there + "/.cache")
    let result = try await telpher("on", "far", "--install", "always", "true")
    #expect(result.status == 125)
    #expect(result.errorText.contains("mkdir: "))
    #expect(result.errorText.contains("telpher could not be copied to far"))
    let unreadable = try await sandbox.telpher(
      "on", "far", "--install", "always", "true", environment: ["TELPHER_STATIC": "/no/such"])
    #expect(unreadable.status == 125)
    #expect(unreadable.errorText.contains("/no/such, can't be opened"))
  }

  @Test func aConnectionToACopyIsKept() async throws {
    try await Sandbox.with(keep: "1h") { sandbox in
      let tests = try InstallTests(sandbox)
      for _ in 0..<2 {
        let result = try await tests.telpher("on", "far", "--install", "always", "--", "pwd")
        #expect(result.text == tests.there + "\n")
        #expect(result.errorText == "" && result.status == 0)
      }
      #expect(try await tests.calls() == 1)
      #expect(try await tests.files().count == 1)
    }
  }

  @Test(arguments: [("y\n", true), ("n\n", false)])
  func theProcessThatKeepsAConnectionAsksOnTheTerminal(
    _ answer: String, _ copies: Bool
  ) async throws {
    try await Sandbox.with(keep: "1h") { sandbox in
      let tests = try InstallTests(sandbox)
      let child = try TerminalChild(
        [Sandbox.program, "on", "far", "--", "sh", "-c", "exit 6"],
        environment: sandbox.environment.merging(
          ["TELPHER_STATIC": sandbox.folder + "/static"]) { $1 }, directory: sandbox.folder)
      #expect(await child.find("[y/N] "))
      child.type(answer)
      #expect(await child.finish().status == (copies ? 6 : 125))
      #expect(try await tests.files().isEmpty == !copies)
    }
  }

  /// A second try would ask for a password again.
  @Test func aHostThatSSHDoesNotReachIsTriedOnce() async throws {
    sandbox.addProgram("ssh", "#!/bin/sh\necho call >>\"$HOME/calls\"\nexit 255\n")
    let result = try await telpher("on", "far", "--install", "always", "true")
    #expect(result.status == 125)
    #expect(result.errorText.contains("ssh could not connect to far or log in there"))
    #expect(try await calls() == 1)
  }

  @Test func aContainerGetsACopyToo() async throws {
    sandbox.addProgram(
      "docker",
      "#!/bin/sh\nshift 3\ncd \(there); HOME=\(there) PATH=/usr/bin:/bin exec \"$@\"\n")
    let result = try await telpher("on", "docker://web", "--install", "always", "--", "pwd")
    #expect(result.text == there + "\n")
    #expect(result.errorText == "")
    #expect(try await files().count == 1)
    #expect(try await telpher("uninstall", "docker://web").status == 0)
    #expect(try await files() == [])
  }

  @Test func uninstallRemovesEveryCopyAndNothingElse() async throws {
    mkdir(there + "/.cache", 0o700)
    sandbox.write("", to: there + "/.cache/other")
    #expect(try await telpher("on", "far", "--install", "always", "true").status == 0)
    let result = try await telpher("uninstall", "far")
    #expect(result.text == "removed \(there)/.cache/telpher\n")
    #expect(result.status == 0)
    #expect(try await files() == ["./.cache/other"])
    let again = try await telpher("uninstall", "far")
    #expect(again.text == "nothing in \(there)/.cache/telpher\n" && again.status == 0)
    for address in ["exec:ssh far", "unix:/x"] {
      let refused = try await telpher("uninstall", address)
      #expect(refused.status == 125)
      #expect(refused.errorText.contains("telpher copies nothing to \(address)"))
    }
    sandbox.addProgram("ssh", "#!/bin/sh\nexit 255\n")
    let failed = try await telpher("uninstall", "far")
    #expect(failed.status == 125)
    #expect(failed.errorText.contains("ssh to far failed (ssh's exit status was 255)"))
  }

  /// A 64-bit ELF header with one program header of the type `type`.
  private static func program(type: UInt8) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 64 + 56)
    bytes.replaceSubrange(0..<5, with: [0x7F, 0x45, 0x4C, 0x46, 2])
    (bytes[32], bytes[54], bytes[56], bytes[64]) = (64, 56, 1, type)
    return bytes
  }

  @Test(
    arguments: [
      (program(type: 1), true), (program(type: 3), false),
      (Array(program(type: 1).prefix(65)), false),
      (Array("#!/bin/sh\n".utf8) + [UInt8](repeating: 0, count: 64), false), ([], false),
    ] as [([UInt8], Bool)])
  func aProgramWithoutAnInterpreterIsStatic(_ bytes: [UInt8], _ isStatic: Bool) {
    let path = sandbox.folder + "/program"
    let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    #expect(write(file, bytes, bytes.count) == bytes.count)
    close(file)
    #expect(Installer.isStatic(path) == isStatic)
  }

  @Test func thisProgramIsNotStatic() {
    #expect(!Installer.isStatic(Sandbox.program))
    #expect(!Installer.isStatic("/no/such"))
  }
}
