internal import Glibc
internal import TelpherAccess
internal import TelpherFileStore
internal import TelpherPolicy
internal import TelpherText
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

/// What is done for a request that is allowed.
struct Grant: Sendable {
  /// The request to carry out: the client's, with what the server has changed in it.
  var request: OpenRequest
  /// The limits of a command, in addition to those of the server.
  var limits: [ResourceLimit] = []
  /// The most commands of this client at once; nil for no limit of its own.
  var concurrency: Int?
  /// The user that the server acts as; nil for its own.
  var account: Account?
  /// The files that can be reached; nil for those of the server.
  var files: FileService?
  /// The folders of these files, for a process that acts as another user.
  var folders: [PolicyPath] = []
  /// Whether the client sees and ends the commands of all identities.
  var reachesAllJobs: Bool
}

/// A socket that listens for a client, and announces connections that the client may then take.
struct Announcer: Sendable {
  /// The address as the client has written it.
  let address: String
  /// The user whose process listens; nil for the server's own.
  let account: Account?
}

/// Decides about each request of one client: first the restrictions of its key, then the server's
/// policy.
struct Authority: Sendable {
  let client: Client
  /// The server's policy; nil if each client may do everything.
  let policy: PolicySource?
  /// Whether the client is another server, which has already decided about the request.
  var isServer = false

  /// Decides what to do for a request.
  ///
  /// - Parameter announcer: for `accept`, what has announced the connection; nil if nothing has.
  /// - Throws: `Rights.Refusal` if the client may not ask for it.
  func grant(
    _ asked: OpenRequest, announcedBy announcer: Announcer? = nil
  ) throws(Rights.Refusal) -> Grant {
    let request = try client.rights.admit(asked)
    guard let loaded = policy?.current else {
      var grant = Grant(
        request: withTerms(request, rule: nil), reachesAllJobs: client.identity == .owner)
      if isServer, case .run(let run) = request { grant.concurrency = run.concurrency?.most }
      return grant
    }
    let subject = PolicySubject(client, loaded)
    guard let question = try PolicyRequest(request, listener: announcer?.address) else {
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
    // The names of a hub are the server's own, whichever user the rule acts as.
    let isAtHub = Self.isAtHub(asked, announcedBy: announcer)
    grant.account = isAtHub ? nil : try account(of: rule, loaded)
    if let announcer, announcer.account != grant.account {
      // The rule has another 'run_as' since.
      throw Rights.Refusal(
        message: "the server's policy does not allow this: you may accept no connections here")
    }
    switch request {
    case .run(let run):
      grant.request = withTerms(.run(try run.within(rule)), asked: run, rule: rule)
    case .file(let file):
      grant.folders = rule.folders(for: file.operation)
      if grant.account == nil { grant.files = loaded.files(in: grant.folders) }
    case .socket, .commands, .job, .info: break
    }
    return grant
  }
}

extension Authority {
  /// Whether a request is about a name at the hub.
  private static func isAtHub(_ request: OpenRequest, announcedBy announcer: Announcer?) -> Bool {
    guard case .socket(let socket) = request,
      case .hub? = (announcer?.address ?? socket.address).flatMap({ try? StreamTarget(parsing: $0) }
      )
    else { return false }
    return true
  }

  /// The request with the terms of its command, if streams can attach to it later.
  ///
  /// - Parameter asked: the request without what the rule sets.
  private func withTerms(
    _ request: OpenRequest, asked: RunRequest? = nil, rule: PolicyRule?
  ) -> OpenRequest {
    guard !isServer, case .run(var run) = request else { return request }
    run.concurrency = nil
    run.terms =
      run.job == nil
      ? nil
      : JobTerms(
        of: asked ?? run, forced: client.rights.forced, surroundings: rule?.surroundings)
    return .run(run)
  }

  /// Whether the client may be allowed less now than when it started its commands.
  var restrictsInput: Bool { policy != nil || client.rights.restrictsInput }

  /// Checks that the client may send input to a job that it has started: that it could start the job now,
  /// with the limits that the job has.
  ///
  /// - Parameters:
  ///   - account: the user as whom the job runs; nil for the server's.
  ///   - limits: those of the server.
  /// - Throws: `Rights.Refusal` if it may not.
  func checkInput(
    to terms: JobTerms, as account: Account?, _ limits: LimitPolicy
  ) throws(Rights.Refusal) {
    try client.rights.checkInput(to: terms)
    guard let loaded = policy?.current else { return }
    let rule: PolicyRule
    switch loaded.policy.decide(.run(PolicyRequest.Run(terms)), by: PolicySubject(client, loaded)) {
    case .allowed(let allowing): rule = allowing
    case .denied(let denial): throw Rights.Refusal(message: denial.message)
    }
    let ceilings = Array(limits.under(rule.limits).ownLimits.values).byName
    guard try self.account(of: rule, loaded) == account, rule.surroundings == terms.surroundings,
      terms.isWithin(ceilings, deadlineMS: rule.milliseconds)
    else { throw Self.inputRefusal }
  }

  /// The answer to a client that asks to send input to a job with other rights than the client would get
  /// now.
  static let inputRefusal = Rights.Refusal(
    message:
      "the server's policy does not allow this: the job was started with other rights than it would get now, so you may send it no input"
  )

  /// The user that the server acts as for the requests of a rule; nil for its own.
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

extension [ResourceLimit] {
  /// The values by their names in the protocol.
  var byName: [String: UInt64] {
    Dictionary(map { ($0.kind.rawValue, $0.value) }) { $1 }
  }
}

extension PolicyRule {
  /// A digest of the variables and the directory that the rule sets; nil if it sets none.
  fileprivate var surroundings: String? {
    guard directory != nil || !environment.isEmpty else { return nil }
    var hasher = FileHasher(.sha256)
    // No part of it has a NUL.
    let parts =
      [directory ?? ""]
      + environment.sorted { $0.key < $1.key }.flatMap { [$0.key.text, $0.value] }
    Array(parts.joined(separator: "\0").utf8).withUnsafeBytes { hasher.update($0) }
    return hasher.digest
  }

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
  /// The most time from SIGTERM to SIGKILL for a command whose time a rule limits, in milliseconds:
  /// the default. Such a command ends at most this long after its time.
  private static let maxLimitedGraceMS = defaultGraceMS
  /// The longest `drain_ms` for such a command, in milliseconds: its background processes could use the
  /// time to go on.
  private static let maxLimitedDrainMS = defaultDrainMS

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
      run.endsLeftBehind = true
      // With a long grace or drain, a client could run its command beyond the time.
      run.graceMS = min(graceMS ?? Self.defaultGraceMS, Self.maxLimitedGraceMS)
      // A drain without an end (-1) ends at the deadline, with the processes that it waits for.
      run.drainMS = min(drainMS ?? Self.defaultDrainMS, Self.maxLimitedDrainMS)
    }
    if let directory = rule.directory { run.cwd = ByteText(directory) }
    for (name, value) in rule.environment {
      run.env = (run.env ?? [:]).merging([name: ByteText(value)]) { $1 }
    }
    return run
  }
}
