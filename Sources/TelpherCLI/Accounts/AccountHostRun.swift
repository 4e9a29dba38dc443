internal import CTelpherAccount
internal import Glibc
internal import TelpherPolicy
internal import TelpherServer
internal import TelpherSockets
internal import TelpherTransport

/// Acts as another user for a server of root, in two programs: the first, as root, binds the socket,
/// becomes the user and executes the second, which serves. So no memory and no thread of root's is left
/// in the process that serves clients.
struct AccountHostRun {
  let backend: any Backend
  let socket: String
  let user: String
  let jobsFolder: String
  let folders: [String]
  let retention: JobRetention

  /// The search path of commands, as login(1) sets it.
  private static let path = "/usr/local/bin:/usr/bin:/bin"
  private static let pathOfRoot = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  private var starter: RelayChannel { RelayChannel(descriptor: STDIN_FILENO) }

  // MARK: As root

  /// Binds the socket, becomes the user, and executes the program that serves.
  ///
  /// - Returns: the exit status, if that fails or another process listens.
  func becomeUser() -> Int32 {
    let listening: ListeningSocket
    do throws(TransportError) {
      listening = try ListeningSocket(address: .unix(path: socket), backlog: Server.backlog)
    } catch {
      let isThere = error.code == .addressInUse
      _ = starter.send(JobHostReport(isReady: isThere, message: error.message))
      return isThere ? 0 : ExitStatus.failure
    }
    // The next program owns the socket.
    listening.setOwnsFile(false)
    let number = listening.duplicate()
    guard number >= 0, fcntl(number, F_SETFD, 0) == 0 else {
      return fail("cannot pass on its socket: \(describe(errno: errno))")
    }
    let account: SystemAccount
    do throws(Failure) { account = try SystemAccount(named: user) } catch {
      return fail(error.message)
    }
    backend.enterGroups(of: account.user, account.group)
    let error = telpher_become_user(account.name, account.user, account.group)
    guard error == 0 else { return fail("cannot become \(user): \(describe(errno: -error))") }
    // As login(1) does, start in / if this user can't enter the home directory.
    if chdir(account.home) != 0 { _ = chdir("/") }
    return execute(account, number)
  }

  private func execute(_ account: SystemAccount, _ listening: Int32) -> Int32 {
    let arguments = CommandLine.arguments + ["--listening", "\(listening)"]
    let kept = Environment.current()
    let variables =
      HostProcess.variables.compactMap { name in kept[name].map { "\(name)=\($0)" } } + [
        "HOME=\(account.home)", "USER=\(account.name)", "LOGNAME=\(account.name)",
        "SHELL=\(account.shell)",
        "PATH=\(account.user == 0 ? Self.pathOfRoot : Self.path)",
      ]
    var words = arguments.map { strdup($0) } + [nil]
    var entries = variables.map { strdup($0) } + [nil]
    execve("/proc/self/exe", &words, &entries)
    return fail("cannot execute telpher as \(user): \(describe(errno: errno))")
  }

  private func fail(_ message: String) -> Int32 {
    _ = starter.send(JobHostReport(isReady: false, message: message))
    return ExitStatus.failure
  }

  // MARK: As the user

  /// Serves the clients that the server of root passes on, until some time after the last of them.
  ///
  /// - Returns: the exit status.
  func serve(on listening: Int32) async -> Int32 {
    _ = fcntl(listening, F_SETFD, FD_CLOEXEC)
    let host = HostRun()
    return await host.run { try await serve(on: listening, as: host) }
  }

  private func serve(on listening: Int32, as host: HostRun) async throws {
    let environment = Environment.current()
    let home = environment["HOME"] ?? "/"
    var configuration = ServerConfiguration()
    configuration.environment = Environment.all().filter { name, _ in
      !HostProcess.variables.contains { SystemString($0) == name }
    }
    configuration.files = LoadedPolicy.files(
      in: folders.compactMap { PolicyPath($0) }, home: Array(home.utf8))
    configuration.reportsWrites = true
    if let place = JobsPlace(environment: environment) {
      configuration.jobs = .passed(
        JobHostProcess(
          place: JobsPlace("\(place.folder)-of/\(jobsFolder)"), retention: retention))
    }
    let parts = try backend.makeServerParts(loops: 1, spawn: nil)
    guard parts.sharesSockets else {
      throw Failure("this program (telpher-nio) can't take over a listening socket")
    }
    try await host.serve(configuration, on: parts) { server in
      try await server.listen(
        on: ListeningSocket(
          adopting: listening, at: .unix(path: socket), backlog: Server.backlog, file: nil))
    }
  }
}

/// An account of the system: passwd(5).
struct SystemAccount {
  let name: String
  let user: uid_t
  let group: gid_t
  let home: String
  let shell: String

  /// The account of this name.
  ///
  /// - Throws: `Failure` if there is none.
  init(named name: String) throws(Failure) {
    guard let entry = getpwnam(name) else { throw Failure("there is no user '\(name)'") }
    self.init(entry.pointee)
  }

  /// Copies an entry.
  init(_ entry: passwd) {
    func text(_ field: UnsafePointer<CChar>?, _ otherwise: String) -> String {
      guard let field, field.pointee != 0 else { return otherwise }
      return String(cString: field)
    }
    name = text(entry.pw_name, "\(entry.pw_uid)")
    user = entry.pw_uid
    group = entry.pw_gid
    home = text(entry.pw_dir, "/")
    shell = text(entry.pw_shell, "/bin/sh")
  }
}
