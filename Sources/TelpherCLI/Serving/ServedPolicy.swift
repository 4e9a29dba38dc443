internal import ArgumentParser
internal import Glibc
internal import Logging
internal import TelpherAccess
internal import TelpherClient
internal import TelpherPolicy
internal import TelpherServer
internal import TelpherTransport

/// The policy file of a server.
struct ServedPolicy: Sendable {
  /// The value of `--policy`.
  let path: String

  /// Reads the policy and opens the folders that it names.
  ///
  /// - Throws: `Failure` if the file can't be read, may be changed by other users, or has a mistake.
  func open(_ logger: Logger) throws(Failure) -> PolicySource {
    PolicySource(try load(logger))
  }

  /// Reads the file again at each SIGHUP. If it can't be used, the old policy stays.
  ///
  /// - Parameter sockets: the Unix sockets of the server.
  func reloadAtHangup(
    _ source: PolicySource, sockets: [String], on loop: any EventLoop, _ logger: Logger
  ) {
    loop.execute {
      _ = try? loop.watch(signal: SIGHUP) {
        do throws(Failure) {
          source.replace(by: try load(logger))
          Self.open(sockets, to: source.current, logger)
          logger.info("read the policy again", metadata: ["file": "\(path)"])
        } catch {
          logger.error(
            "cannot read the policy again, and keeps the old one",
            metadata: ["why": "\(error.message)"])
        }
      }
    }
  }

  /// Opens the server's Unix sockets to all users of this machine if the policy has rules for other
  /// users, else only to the server's user. The server refuses users that the policy does not name in
  /// any case.
  static func open(_ sockets: [String], to policy: LoadedPolicy?, _ logger: Logger) {
    for path in sockets {
      let mode: mode_t = policy?.admitsUsers == true ? 0o666 : 0o600
      guard chmod(path, mode) != 0 else { continue }
      logger.warning(
        "cannot set who may connect to a socket",
        metadata: ["path": "\(path)", "why": "\(describe(errno: errno))"])
    }
  }

  private func load(_ logger: Logger) throws(Failure) -> LoadedPolicy {
    let loaded = try check()
    for fault in loaded.faults {
      logger.warning("a folder of the policy can't be used", metadata: ["why": "\(fault)"])
    }
    return loaded
  }

  /// Reads the file as a server of this user does, and opens its folders.
  ///
  /// - Throws: `Failure` if a server refuses it.
  func check() throws(Failure) -> LoadedPolicy {
    try checkOwner()
    let home = ServedFiles.home(Environment.current())
    let policy = try PolicyFile.read(path)
    return LoadedPolicy(
      policy, home: Array(home.utf8), accounts: try accounts(of: policy),
      users: try users(of: policy))
  }

  /// The users that the rules name.
  ///
  /// - Throws: `Failure` if there is no such user, or if this process can't become one.
  private func accounts(of policy: Policy) throws(Failure) -> [String: Account] {
    var accounts: [String: Account] = [:]
    for rule in policy.rules {
      guard let runsAs = rule.runsAs else { continue }
      var isOwn = false
      if case .user(let name) = runsAs {
        let account: SystemAccount
        do throws(Failure) { account = try SystemAccount(named: name) } catch {
          throw Failure("\(path):\(rule.line): 'run_as': \(error.message)")
        }
        accounts[name] = Account(name: name, user: account.user)
        isOwn = account.user == geteuid()
      }
      guard isOwn || geteuid() == 0 else {
        throw Failure("\(path):\(rule.line): 'run_as' needs a server of root")
      }
    }
    return accounts
  }

  /// The names of the users of this machine that the rules are for, by their ids.
  ///
  /// - Throws: `Failure` if there is no such user.
  private func users(of policy: Policy) throws(Failure) -> [UInt32: String] {
    var users: [UInt32: String] = [:]
    for rule in policy.rules {
      for case .user(let name) in rule.identities {
        do throws(Failure) {
          users[try SystemAccount(named: name.text).user] = name.text
        } catch {
          throw Failure("\(path):\(rule.line): 'for': \(error.message)")
        }
      }
    }
    return users
  }

  /// Only this user and root may be able to change what clients may do.
  private func checkOwner() throws(Failure) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw Failure("cannot open \(path): \(describe(errno: errno))")
    }
    guard status.st_uid == geteuid() || status.st_uid == 0, status.st_mode & 0o022 == 0 else {
      throw Failure(
        "the policy \(path) can be changed by other users: it must be yours or root's (chown), and writable by no one else (chmod go-w)"
      )
    }
  }
}

/// Policy files, as the command line reads them.
enum PolicyFile {
  /// Reads the policy at `path`.
  ///
  /// - Throws: `Failure` if it can't be read, or has a mistake.
  static func read(_ path: String) throws(Failure) -> Policy {
    let text = try SmallFile.text(path, limit: Policy.maxLength)
    do throws(PolicyError) {
      return try Policy(parsing: text, file: path, values)
    } catch {
      throw Failure(error.description)
    }
  }

  /// The values of limits, as `--limit` and `--timeout` take them.
  static let values = PolicyValues(
    limit: { (name, value) throws(PolicyValues.Mistake) in
      do { return try LimitArgument.parseNamed("\(name)=\(value)") } catch {
        throw mistake(error)
      }
    },
    milliseconds: { (value) throws(PolicyValues.Mistake) in
      do { return try DurationArgument.parsePositive(value).wholeMilliseconds } catch {
        throw mistake(error)
      }
    })

  private static func mistake(_ error: any Error) -> PolicyValues.Mistake {
    PolicyValues.Mistake((error as? ValidationError)?.message ?? "\(error)")
  }
}
