internal import Glibc

/// An sshd of our own on loopback, with throwaway keys and its own configuration, and ways to it.
/// Nothing of the user's is touched.
final class SSHDaemon: Sendable {
  let daemon: Program
  private let configuration: String
  private let controlPath: String
  private let master: Program
  /// Whether /run/sshd, which sshd wants to be there, was made by this run.
  private let madeFolder: Bool

  private static let separationFolder = "/run/sshd"

  /// Why there can be none; nil where there can.
  static var absence: String? {
    for name in ["sshd", "ssh", "ssh-keygen"] where Tool.find(name) == nil {
      return "\(name) is not installed"
    }
    return nil
  }

  /// Starts the daemon and a connection for the warm contestants (ControlMaster).
  ///
  /// - Throws: `Failure` where that fails.
  init(_ bench: Bench) throws(Failure) {
    guard let sshd = Tool.find("sshd"), Self.absence == nil else {
      throw Failure(Self.absence ?? "")
    }
    let folder = bench.folder
    let number = bench.names.next()
    let name = "ssh-\(number)"
    for key in ["host", "user"] {
      _ = try Program.lines(of: [
        "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder("\(name)-\(key)"),
      ])
    }
    let port = try Tool.freePort()
    let userKey = readText(folder("\(name)-user.pub")) ?? ""
    let hostKey = readText(folder("\(name)-host.pub")) ?? ""
    let authorized = try folder.write(userKey, to: "\(name)-authorized")
    let known = try folder.write("[127.0.0.1]:\(port) \(hostKey)", to: "\(name)-known")
    // With SHLVL bash takes itself for a nested shell, and leaves out ~/.bashrc, which is the user's
    // and may take longer than all that is measured.
    let daemonConfiguration = try folder.write(
      """
      Port \(port)
      ListenAddress 127.0.0.1
      HostKey \(folder("\(name)-host"))
      PidFile none
      AuthorizedKeysFile \(authorized)
      StrictModes no
      UsePAM no
      UseDNS no
      PasswordAuthentication no
      KbdInteractiveAuthentication no
      PermitRootLogin prohibit-password
      MaxSessions 2000
      MaxStartups 2000
      PrintMotd no
      PermitUserRC no
      SetEnv SHLVL=2
      LogLevel ERROR
      Subsystem sftp internal-sftp

      """, to: "\(name)-sshd_config")
    controlPath = folder("\(name)-cm")
    configuration = try folder.write(
      """
      Host bench
        HostName 127.0.0.1
        Port \(port)
        User \(Self.userName)
        IdentityFile \(folder("\(name)-user"))
        IdentitiesOnly yes
        IdentityAgent none
        UserKnownHostsFile \(known)
        GlobalKnownHostsFile /dev/null
        StrictHostKeyChecking yes
        BatchMode yes
        Ciphers aes128-gcm@openssh.com
        LogLevel ERROR

      """, to: "\(name)-config")
    madeFolder = geteuid() == 0 && mkdir(Self.separationFolder, 0o755) == 0
    daemon = try Program([sshd, "-D", "-e", "-f", daemonConfiguration])
    try Tool.waitForListener(at: port, of: "sshd")
    master = try Program([
      "ssh", "-F", configuration, "-M", "-S", controlPath, "-N", "bench",
    ])
    try Tool.waitForFile(controlPath, of: "ssh")
  }

  /// Ends the connection and the daemon.
  func stop() {
    master.stop()
    daemon.stop()
    if madeFolder { rmdir(Self.separationFolder) }
  }

  /// A command over the connection that is open already.
  func warm(_ command: String...) -> [String] {
    ["ssh", "-F", configuration, "-S", controlPath, "-T", "bench"] + command
  }

  /// A command over a connection of its own.
  func cold(_ command: String...) -> [String] {
    ["ssh", "-F", configuration, "-S", "none", "-T", "bench"] + command
  }

  /// A copy of files, folders included, over the connection that is open already; `bench:PATH` is
  /// a path on the server.
  func copy(_ source: String, _ destination: String) -> [String] {
    [
      "scp", "-F", configuration, "-o", "ControlPath=\(controlPath)", "-q", "-r", source,
      destination,
    ]
  }

  private static var userName: String {
    getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "root"
  }
}
