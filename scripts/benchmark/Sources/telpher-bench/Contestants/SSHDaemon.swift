internal import Glibc

/// An sshd on loopback that this run starts with temporary keys and its own configuration, and the
/// client commands for it. It does not use or change any file of the user's.
final class SSHDaemon: Sendable {
  let daemon: Program
  private let configuration: String
  private let controlPath: String
  private let master: Program
  /// Delays the connection; nil for none.
  private let proxy: FarProxy?
  /// Whether this run created /run/sshd, which sshd requires.
  private let madeFolder: Bool

  private static let separationFolder = "/run/sshd"

  /// The reason why the daemon is not available; nil if it is.
  static var absence: String? {
    for name in ["sshd", "ssh", "ssh-keygen"] where Tool.find(name) == nil {
      return "\(name) is not installed"
    }
    return nil
  }

  /// Starts the daemon, and a connection that the warm contestants share (ControlMaster).
  ///
  /// - Parameter roundTrip: the milliseconds by which both directions are delayed together; nil for no
  ///   delay.
  /// - Throws: `Failure` if that fails.
  init(_ bench: Bench, roundTrip: Int? = nil) throws(Failure) {
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
    var proxy: FarProxy?
    if let roundTrip { proxy = try FarProxy(to: "\(port)", roundTrip: roundTrip, bench) }
    self.proxy = proxy
    let reached = try proxy?.port() ?? port
    let known = try folder.write("[127.0.0.1]:\(reached) \(hostKey)", to: "\(name)-known")
    // SHLVL=2 makes bash assume that it is a nested shell, so it does not read ~/.bashrc. That file
    // may take longer than everything that is measured.
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
        Port \(reached)
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
    proxy?.stop()
    daemon.stop()
    if madeFolder { rmdir(Self.separationFolder) }
  }

  /// Writes a client's configuration in which all hosts with a name like `pattern` are this one, and
  /// returns its path. Clients of a host share a connection at `path`, if there is one.
  ///
  /// - Throws: `Failure` if it can't be written.
  func configuration(
    forHosts pattern: String, sharedAt path: String, in bench: Bench
  ) throws(Failure) -> String {
    let text = readText(configuration) ?? ""
    return try bench.folder.write(
      text.replacing("Host bench\n", with: "Host \(pattern)\n") + "  ControlPath \(path)\n",
      to: "ssh-\(bench.names.next())-many")
  }

  /// Returns the client command that runs `command` over the open connection.
  func warm(_ command: String...) -> [String] {
    ["ssh", "-F", configuration, "-S", controlPath, "-T", "bench"] + command
  }

  /// Returns the client command that runs `command` on a terminal, over the open connection.
  func terminal(_ command: String) -> [String] {
    ["ssh", "-F", configuration, "-S", controlPath, "-tt", "bench", command]
  }

  /// Returns the client command that runs `command` over a new connection.
  func cold(_ command: String...) -> [String] {
    ["ssh", "-F", configuration, "-S", "none", "-T", "bench"] + command
  }

  /// Returns the client command that copies files and folders over the open connection; `bench:PATH`
  /// is a path on the server.
  func copy(_ source: String, _ destination: String) -> [String] {
    [
      "scp", "-F", configuration, "-o", "ControlPath=\(controlPath)", "-q", "-r", source,
      destination,
    ]
  }

  /// The shell that programs such as rsync use over the open connection.
  var shell: String { "ssh -F \(configuration) -o ControlPath=\(controlPath)" }

  /// Returns the client command that forwards `port` of this machine to `target` at the server, over a
  /// connection of its own.
  func forward(_ port: UInt16, to target: UInt16) -> [String] {
    [
      "ssh", "-F", configuration, "-S", "none", "-N", "-o", "ExitOnForwardFailure=yes",
      "-L", "127.0.0.1:\(port):127.0.0.1:\(target)", "bench",
    ]
  }

  private static var userName: String {
    getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "root"
  }
}
