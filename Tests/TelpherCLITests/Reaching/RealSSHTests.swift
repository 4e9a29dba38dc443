import Glibc
import Testing

/// Connections through the real ssh and sshd of this machine. A ProxyCommand starts an sshd for each
/// connection, with keys of the test's own and without a port.
struct RealSSHTests {
  /// Whether sshd can be started: as root it needs its folder.
  private static let canRun =
    access("/usr/sbin/sshd", X_OK) == 0 && access("/usr/bin/ssh", X_OK) == 0
    && access("/usr/bin/ssh-keygen", X_OK) == 0
    && (geteuid() != 0 || access("/run/sshd", F_OK) == 0)

  /// Lets ssh reach this machine by every name but `unknown`. The PATH there has the telpher of this
  /// test only if `hasTelpher`.
  private static func sandbox(hasTelpher: Bool = true) async throws -> Sandbox {
    let sandbox = try Sandbox()
    let folder = sandbox.folder
    for key in ["host", "user"] {
      let made = try await sandbox.shell("ssh-keygen -q -t ed25519 -N '' -f \(folder)/\(key)")
      guard made.status == 0 else { throw Failed(made.errorText) }
    }
    mkdir(folder + "/there", 0o700)
    if hasTelpher { symlink(Sandbox.program, folder + "/there/telpher") }
    sandbox.write(
      """
      HostKey \(folder)/host
      AuthorizedKeysFile \(folder)/user.pub
      StrictModes no
      UsePAM no
      PermitRootLogin yes
      PasswordAuthentication no
      PidFile none
      ForceCommand PATH=\(folder)/there:/usr/bin:/bin; HOME=\(folder); cd; eval "$SSH_ORIGINAL_COMMAND"
      """, to: folder + "/sshd_config")
    sandbox.write(
      """
      Host *
        IdentityFile \(folder)/user
        IdentitiesOnly yes
        UserKnownHostsFile \(folder)/known
        StrictHostKeyChecking no
        LogLevel ERROR
        ControlPath none
      Host unknown
        ProxyCommand false
      Host *
        ProxyCommand /usr/sbin/sshd -i -f \(folder)/sshd_config
      """, to: folder + "/ssh_config")
    sandbox.addProgram("ssh", "#!/bin/sh\nexec /usr/bin/ssh -F \(folder)/ssh_config \"$@\"\n")
    return sandbox
  }

  @Test(.enabled(if: canRun, "needs ssh, sshd and, as root, the folder /run/sshd"))
  func commandsAndFilesReachTheHostAndBack() async throws {
    let sandbox = try await Self.sandbox()
    let run = try await sandbox.telpher(
      "on", "far", "-i", "--", "sh", "-c", "cat; printf '[%s]' \"$@\"; exit 5", "sh", "a b",
      "$HOME",
      "", "'\"", input: "in ")
    #expect(run.text == "in [a b][$HOME][]['\"]")
    #expect(run.errorText == "")
    #expect(run.status == 5)
    sandbox.writeNoise(3 << 20, to: sandbox.folder + "/noise")
    let copied = try await sandbox.shell(
      """
      cd "$HOME" && telpher put --quiet noise far:stored && telpher ls far: &&
      telpher get --quiet far:stored back && cmp noise back
      """)
    #expect(copied.errorText == "")
    #expect(copied.text.contains("\nstored\n"))
    #expect(copied.status == 0)
  }

  @Test(.enabled(if: canRun, "needs ssh, sshd and, as root, the folder /run/sshd"))
  func aCommandIsLostIfSSHDies() async throws {
    let sandbox = try await Self.sandbox()
    let child = try sandbox.start([
      "on", "far", "--status-fd", "2", "--", "sh", "-c", "echo $PPID; exec sleep 600",
    ])
    let server = try #require(await child.line().flatMap { Int32($0) })
    kill(server, SIGKILL)
    let result = await child.finish()
    #expect(result.status == 125)
    #expect(result.errorText.contains("\"result\":\"lost\""))
  }

  /// sshd's login shell reads the script, and the terminal is not used.
  @Test(.enabled(if: canRun, "needs ssh, sshd and, as root, the folder /run/sshd"))
  func telpherIsCopiedAndRemoved() async throws {
    let sandbox = try await Self.sandbox(hasTelpher: false)
    let program = sandbox.folder + "/static"
    sandbox.write(
      "#!/bin/sh\nexec \(Sandbox.program) \"$@\"\n"
        + String(repeating: "# padding\n", count: 100_000),
      to: program)
    let first = try await sandbox.telpher(
      "on", "far", "--install", "always", "-i", "--", "sh", "-c", "cat; exit 5", input: "x",
      environment: ["TELPHER_STATIC": program])
    #expect(first.text == "x" && first.errorText == "")
    #expect(first.status == 5)
    let list = try await sandbox.telpher(
      "ls", "-R", "far:.cache/telpher", environment: ["TELPHER_STATIC": program])
    #expect(list.text.split(separator: "\n").count == 2 && list.text.hasSuffix("/telpher\n"))
    let removed = try await sandbox.telpher("uninstall", "far")
    #expect(removed.text == "removed \(sandbox.folder)/.cache/telpher\n")
    #expect(mode(of: sandbox.folder + "/.cache/telpher") == nil)
  }

  @Test(.enabled(if: canRun, "needs ssh, sshd and, as root, the folder /run/sshd"))
  func whySSHBroughtNoServerIsReported() async throws {
    let sandbox = try await Self.sandbox(hasTelpher: false)
    let absent = try await sandbox.telpher("on", "far", "--", "true")
    #expect(absent.status == 125)
    #expect(absent.errorText.contains("there is no telpher on far (ssh's exit status was 127)"))
    let unknown = try await sandbox.telpher("on", "unknown", "--", "true")
    #expect(unknown.status == 125)
    #expect(
      unknown.errorText.contains("ssh could not connect to unknown or log in there (ssh's exit"))
  }
}
