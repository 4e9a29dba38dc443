internal import Synchronization
internal import TelpherAccess
internal import TelpherCommand
internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

extension ServerCore {
  /// The answer to a request to run a command.
  enum Answer {
    /// A new job: the caller starts it now.
    case new(CommandJob)
    /// The request names this running job: the caller attaches to it.
    case running(CommandJob)
    /// The request names a job that has finished with this result.
    case finished(CloseResult)
    /// The command is not run, for this reason.
    case refused(String)
  }

  /// The limits of the command that a request asks for.
  ///
  /// - Parameter ceilings: those of the client, beside those of the server.
  /// - Throws: `LimitPolicy.Refusal` if they can't be granted.
  func limits(
    of request: RunRequest, under ceilings: [ResourceLimit]
  ) throws(LimitPolicy.Refusal) -> [ResourceLimit] {
    try limitPolicy.under(ceilings).limits(for: request.limits ?? [:]) { loop.enforceableLimits }
  }

  /// Makes the job of a request, or finds the one that the request names.
  ///
  /// - Parameters:
  ///   - client: the peer that sent the request.
  ///   - owner: who that is. The id of its request names only its own jobs.
  ///   - grant: what the client may use.
  ///   - length: the bytes of the OPEN frame's payload, for `maxLaunchBytes`.
  func admit(
    _ request: RunRequest, from client: PeerIdentity, of owner: Identity, under grant: Grant,
    length: Int
  ) -> Answer {
    let limits: [ResourceLimit]
    do throws(LimitPolicy.Refusal) {
      limits = try self.limits(of: request, under: grant.limits)
    } catch {
      return .refused(error.message)
    }
    let counters = counters
    let surroundings = CommandJob.Surroundings(
      loop: loop, launches: launches, environment: environment,
      heldOutputs: heldOutputs, leftBehind: leftBehind,
      keepDetachedFor: configuration.keepDetachedFor)
    let job = CommandJob(
      id: table.id(request.job), request: request, limits: limits, client: client,
      owner: owner, surroundings: surroundings,
      wasLaunched: { counters.launchBytes.subtract(length, ordering: .relaxed) }
    ) { [unowned self] job, result in
      table.finish(job, result, now: loop.now)
      checkIdle()
    }
    let admission = table.admit(
      job, on: loop, now: loop.now,
      ownerLimit: grant.concurrency.map { ownerLimit($0, of: owner) })
    switch admission {
    case .admitted: break
    case .running(let other): return .running(other.job)
    case .runningElsewhere:
      return .refused("the job runs on another loop of this server: connect again to reach it")
    case .finished(let result): return .finished(result)
    case .full:
      return .refused(
        "\(configuration.maxCommands) commands are running (max_commands): try again")
    case .ownerIsFull:
      return .refused(RunRequest.tooMany(grant.concurrency ?? 0))
    }
    guard ServerCounters.book(counters.launchBytes, length, limit: configuration.maxLaunchBytes)
    else {
      table.remove(job)
      return .refused(
        "commands with \(configuration.maxLaunchBytes) bytes of arguments and environments are being launched (max_launch_bytes): try again"
      )
    }
    counters.started.add(1, ordering: .relaxed)
    return .new(job)
  }

  /// A limit for the commands of `owner`, whose durable jobs count.
  func ownerLimit(_ most: Int, of owner: Identity) -> JobTable.OwnerLimit {
    // The order matters: a job that is passed on before it is counted as live is in the first number.
    let passed = table.passedJobs(of: owner)
    guard case .passed(let host) = configuration.jobs else {
      return JobTable.OwnerLimit(most: most, liveJobs: 0, passedJobs: passed)
    }
    // Unknown is too many.
    return JobTable.OwnerLimit(
      most: most, liveJobs: host.host(of: owner).liveJobs() ?? most, passedJobs: passed)
  }

  /// Starts to list the commands that run on all loops; as the host of jobs, those of the jobs.
  ///
  /// - Parameters:
  ///   - last: the id after which the list begins; nil for its beginning.
  ///   - identity: the client's identity.
  ///   - reachesAll: whether it sees the commands of all clients, not only its own.
  ///   - didFinish: called once, later, with the answer.
  /// - Throws: `FileError` (`busy`) if no thread can be started for it.
  func list(
    after last: String?, for identity: Identity, reachesAll: Bool,
    didFinish: @escaping (CommandListing, CloseResult) -> Void
  ) throws(FileError) -> CommandListing {
    let items =
      keeper?.commands(after: last)
      ?? table.views(
        after: last.map { JobID(text: $0) }, for: identity, reachesAll: reachesAll
      ).map { view in
        let client = view.owner == .owner ? "\(view.client)" : "\(view.client) as \(view.owner)"
        return CommandListing.Item(id: view.id.text, client: client, view: view)
      }
    return try CommandListing(
      of: items, on: workers[.change], loop: loop, didFinish: didFinish)
  }

  /// Ends a running command, which may belong to another loop, or sends a signal to all its processes.
  ///
  /// - Parameters:
  ///   - signal: the signal; if nil, the command is ended as at its deadline.
  ///   - identity: the client's identity.
  ///   - reachesAll: whether it may end the commands of all clients, not only its own.
  /// - Returns: the answer for the client.
  func kill(
    _ id: String, signal: Int32?, for identity: Identity, reachesAll: Bool
  ) -> CloseResult {
    let jobID = JobID(text: id)
    guard let running = table.running(jobID, for: identity, reachesAll: reachesAll) else {
      return table.hasEnded(jobID, for: identity, reachesAll: reachesAll)
        ? CloseResult(.failed, message: "the command '\(id)' has ended")
        : CloseResult(noCommand: id)
    }
    running.onItsLoop { job in
      if let signal { job.signalTree(signal) } else { job.end(.canceled) }
    }
    return CloseResult(.ok)
  }
}

extension CloseResult {
  /// The answer to a request to end a command that does not run.
  init(noCommand id: String) {
    self.init(.failed, message: "no command with the id '\(id)' is running")
  }
}
