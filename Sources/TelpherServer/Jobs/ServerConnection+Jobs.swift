internal import TelpherAccess
internal import TelpherFileStore
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

extension ServerConnection {
  /// Handles a request about durable jobs: passes it on to the job host, or carries it out as that
  /// host.
  ///
  /// - Parameters:
  ///   - grant: what the client may use.
  ///   - length: the bytes of the OPEN frame's payload.
  func handleJob(
    _ request: OpenRequest, under grant: Grant, length: Int, on stream: StreamID, noInput: Bool
  ) {
    switch server.configuration.jobs {
    case .refused(let reason): refuse(stream, reason)
    case .passed(let host):
      let own = host.host(of: client.identity)
      if isShared(request, noInput: noInput, own, host) {
        return passReading(request, to: host, on: stream)
      }
      if let attach = checkedAttach(request, noInput: noInput) {
        return attachWithInput(attach, to: own, as: nil, on: stream)
      }
      pass(request, under: grant, to: own, on: stream, noInput: noInput)
    case .kept: keep(request, length: length, on: stream, noInput: noInput)
    }
  }

  /// Whether a request only reads from a job of the owner that all clients may read.
  private func isShared(
    _ request: OpenRequest, noInput: Bool, _ own: any JobHost, _ owners: any JobHost
  ) -> Bool {
    guard server.configuration.sharesOwnersJobs, client.identity != .owner,
      case .job(let job) = request, let id = job.job, RunRequest.isJobID(id)
    else { return false }
    switch job.operation {
    case .attach: guard noInput else { return false }
    case .wait: break
    case .jobs, .forget, .terms: return false
    }
    return !own.hasJob(id) && owners.hasJob(id)
  }

  private func passReading(_ request: OpenRequest, to host: any JobHost, on stream: StreamID) {
    do throws(WireError) {
      let passage = passage(to: host)
      let passed = PassedStream(
        try request.encoded(), noInput: true, on: stream, of: self, through: passage,
        withoutHost: nil, isReadOnly: true)
      add(passed, to: stream)
      passage.open(passed)
    } catch {
      refuse(stream, error.message)
    }
  }

  /// Lists the commands of durable jobs.
  func listJobs(_ request: CommandsRequest, under grant: Grant, on stream: StreamID) {
    var none = CloseResult(.ok)
    none.commands = []
    switch server.configuration.jobs {
    case .passed(let host) where server.configuration.runsCommands && reachesAllJobs(grant):
      let list = JobListForOwner(after: request.after, host, stream, of: self)
      do throws(FileError) {
        try list.begin(on: server.workers[.change], link.loop)
        add(list, to: stream)
      } catch {
        refuse(stream, error.message)
      }
    case .passed(let host) where server.configuration.runsCommands:
      // Without a host no job runs.
      pass(
        .commands(request), to: host.host(of: client.identity), on: stream, noInput: true,
        withoutHost: none)
    case .refused, .passed, .kept: link.close(stream, none)
    }
  }

  /// Whether the client reaches the durable jobs of other identities: the owner, unless a policy
  /// forbids it.
  private func reachesAllJobs(_ grant: Grant) -> Bool {
    client.identity == .owner && grant.reachesAllJobs
  }

  /// Ends a durable job, or sends a signal to it.
  ///
  /// - Parameters:
  ///   - grant: what the client may use.
  ///   - result: the result if there is no such job.
  func killJob(
    _ request: CommandsRequest, under grant: Grant, on stream: StreamID, orElse result: CloseResult
  ) {
    switch server.configuration.jobs {
    case .passed(let own) where server.configuration.runsCommands:
      var (request, host) = (request, own.host(of: client.identity))
      // Only the owner can end the jobs of others.
      if reachesAllJobs(grant), let job = request.job.map({ IDOfIdentity($0) }),
        let identity = job.identity
      {
        host = own.host(ofIdentity: identity)
        request.job = job.id
      }
      // Without a host no job runs, but one that has ended may be meant: a host knows it.
      pass(
        .commands(request), to: host, on: stream, noInput: true,
        withoutHost: request.job.map(RunRequest.mayNameJob) == true ? nil : result)
    case .refused, .passed: close(stream, result)
    case .kept:
      guard let keeper = server.keeper, let job = request.job else {
        preconditionFailure("this server keeps jobs, and a valid request names one")
      }
      close(stream, keeper.kill(job, signal: request.signal))
    }
  }

  private func pass(
    _ request: OpenRequest, under grant: Grant, to host: any JobHost, on stream: StreamID,
    noInput: Bool
  ) {
    var request = request
    var reservation: JobReservation?
    if case .run(let run) = request {
      do throws(LimitPolicy.Refusal) {
        let limits = try server.limits(of: run, under: grant.limits)
        var concurrency: RunRequest.Concurrency?
        // A request for a job that is there only returns to it.
        if let most = grant.concurrency, let job = run.job, !host.hasJob(job) {
          let limit = server.ownerLimit(most, of: client.identity)
          reservation = JobReservation(
            server.table, of: client.identity, limit, on: link.loop)
          guard let reservation else { return refuse(stream, RunRequest.tooMany(most)) }
          concurrency = RunRequest.Concurrency(most: most, others: reservation.others)
        }
        request = .run(
          run.forJobHost(
            environment: server.environment, limits: limits, concurrency: concurrency))
      } catch {
        return refuse(stream, error.message)
      }
    }
    pass(
      request, to: host, on: stream, noInput: noInput, withoutHost: nil, reservation: reservation)
  }

  /// Passes a stream on to a process.
  ///
  /// - Parameters:
  ///   - result: the result if no host listens; nil if one is started then.
  ///   - writes: what happens with the paths that the process reports.
  ///   - reservation: counts a durable job until the process has answered.
  func pass(
    _ request: OpenRequest, to host: any StreamHost, on stream: StreamID, noInput: Bool,
    withoutHost result: CloseResult?, writes: PassedStream.Writes? = nil,
    reservation: JobReservation? = nil
  ) {
    do throws(WireError) {
      let passage = passage(to: host)
      let passed = PassedStream(
        try request.encoded(), noInput: noInput, on: stream, of: self, through: passage,
        withoutHost: result, writes: writes, reservation: reservation)
      add(passed, to: stream)
      passage.open(passed)
    } catch {
      refuse(stream, error.message)
    }
  }

  private func keep(_ request: OpenRequest, length: Int, on stream: StreamID, noInput: Bool) {
    guard let keeper = server.keeper else { preconditionFailure("this server keeps jobs") }
    do throws(JobKeeper.Refusal) {
      let opened: JobKeeper.Opened
      switch request {
      case .run(let run):
        opened = try keeper.run(run, length: length, noInput: noInput, on: stream, of: self)
      case .job(let job):
        opened = try keeper.handle(job, noInput: noInput, on: stream, of: self)
      case .file, .socket, .commands, .info: preconditionFailure("these are not about jobs")
      }
      add(opened.work, to: stream)
      opened.begin()
    } catch {
      close(stream, error.result)
    }
  }
}
