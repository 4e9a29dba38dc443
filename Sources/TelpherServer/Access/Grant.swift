internal import Glibc
internal import TelpherAccess
internal import TelpherPolicy
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

/// What is done for a request that is allowed.
struct Grant: Sendable {
  /// The request to carry out: the client's, or with what the server has set in it.
  var request: OpenRequest
  /// The ceilings of a command, beside those of the server.
  var limits: [ResourceLimit] = []
  /// The most commands of this client at once; nil for no limit of its own.
  var concurrency: Int?
  /// The user as whom it is done; nil for the server's.
  var account: Account?
  /// The files that can be reached; nil for those of the server.
  var files: FileService?
  /// The folders of these files, for a process that acts as another user.
  var folders: [PolicyPath] = []
  /// Whether the client sees and ends the commands of all identities.
  var reachesAllJobs: Bool
}

/// Decides about each request of one client: first the restrictions of its key, then the server's
/// policy.
struct Authority: Sendable {
  let client: Client
  /// The server's policy; nil if each client may do everything.
  let policy: PolicySource?
  /// The most commands of a client without a policy; nil for no limit.
  var concurrency: Int?

  /// What is done for a request.
  ///
  /// - Throws: `Rights.Refusal` if the client may not ask for it.
  func grant(_ asked: OpenRequest) throws(Rights.Refusal) -> Grant {
    let request = try client.rights.admit(asked)
    guard let loaded = policy?.current else {
      return Grant(
        request: request, concurrency: concurrency, reachesAllJobs: client.identity == .owner)
    }
    let subject = PolicySubject(client, loaded)
    guard let question = try PolicyRequest(request) else {
      return Grant(request: request, reachesAllJobs: false)
    }
    let rule: PolicyRule
    switch loaded.policy.decide(question, by: subject) {
    case .allowed(let allowing): rule = allowing
    case .denied(let denial): throw Rights.Refusal(message: denial.message)
    }
    var grant = Grant(
      request: request, limits: rule.limits, concurrency: rule.concurrency,
      reachesAllJobs: loaded.policy.allowsJobsOfOthers(to: subject))
    grant.account = try account(of: rule, loaded)
    switch request {
    case .run(let run): grant.request = .run(try run.within(rule))
    case .file(let file):
      grant.folders = rule.folders(for: file.operation)
      if grant.account == nil { grant.files = loaded.files(in: grant.folders) }
    case .socket, .commands, .job, .info: break
    }
    return grant
  }
}

extension Authority {
  /// The user as whom the requests of a rule are carried out; nil for the server's.
  private func account(
    of rule: PolicyRule, _ loaded: LoadedPolicy
  ) throws(Rights.Refusal) -> Account? {
    let account: Account
    switch rule.runsAs {
    case nil: return nil
    case .fromKey:
      // A key of the server's own file: its user is the server's.
      guard let found = client.account else { return nil }
      account = found
    case .user(let name):
      guard let found = loaded.accounts[name] else {
        throw Rights.Refusal(message: "the server has no user '\(name)'")
      }
      account = found
    }
    return account.user == geteuid() ? nil : account
  }
}

extension PolicySubject {
  /// The subject that a client is.
  init(_ client: Client, _ loaded: LoadedPolicy) {
    switch client.identity.proof {
    case .user:
      guard let uid = client.identity.uid else { preconditionFailure("such an identity has one") }
      self = loaded.subject(ofUser: uid)
    case .owner: self = .owner
    case .key: self = .key(fingerprint: client.identity.name, account: client.account?.name)
    case .certificate: self = .certificate(client.identity.name)
    }
  }
}

extension PolicyRule {
  /// The folders of an operation's paths.
  func folders(for operation: FileRequest.Operation) -> [PolicyPath] {
    switch operation {
    case .get, .getTree, .list: reads
    case .put, .putTree, .mkdir, .rm, .mv: writes
    case .stat: reads + writes
    }
  }
}

extension RunRequest {
  /// The request with what a rule sets.
  ///
  /// - Throws: `Rights.Refusal` if the client asks for more than the rule allows.
  fileprivate func within(_ rule: PolicyRule) throws(Rights.Refusal) -> RunRequest {
    var run = self
    if let longest = rule.milliseconds {
      if let deadlineMS, deadlineMS > longest {
        throw Rights.Refusal(
          message:
            "the server's policy does not allow this: your commands may run for \(longest) ms at most"
        )
      }
      run.deadlineMS = deadlineMS ?? longest
    }
    if let directory = rule.directory { run.cwd = ByteText(directory) }
    for (name, value) in rule.environment {
      run.env = (run.env ?? [:]).merging([name: ByteText(value)]) { $1 }
    }
    return run
  }
}
