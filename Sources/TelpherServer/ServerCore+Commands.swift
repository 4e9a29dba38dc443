internal import TelpherAccess
internal import TelpherCommand
internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

extension ServerCore {
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
