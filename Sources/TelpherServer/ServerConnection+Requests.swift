internal import TelpherFileStore
internal import TelpherLink
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

// Starts the work of streams that were just opened.
extension ServerConnection {
  func start(_ request: CommandsRequest, under grant: Grant, on stream: StreamID) {
    switch request.operation {
    case .list where request.jobs == true && server.keeper == nil:
      listJobs(request, under: grant, on: stream)
    case .list:
      do throws(FileError) {
        streams[stream] = try server.list(
          after: request.after, for: client.identity, reachesAll: grant.reachesAllJobs
        ) { [weak self] listing, result in
          self?.workDidFinish(listing, stream, .close(result))
        }
      } catch {
        refuse(stream, error.message)
      }
    case .kill:
      guard let job = request.job else {
        preconditionFailure("CommandsRequest.validated requires it")
      }
      let result = server.kill(
        job, signal: request.signal, for: client.identity, reachesAll: grant.reachesAllJobs)
      if result.result == .ok { return close(stream, result) }
      killJob(request, under: grant, on: stream, orElse: result)
    }
  }

  func start(_ request: SocketRequest, on stream: StreamID) {
    do {
      if request.operation == .check {
        try sockets.check(request)
        return close(stream, CloseResult(.ok))
      }
      try sockets.start(request, of: client.identity, link: link, stream: stream) { [self] work in
        streams[stream] = work
      } didFinish: { [unowned self] work, closing in
        workDidFinish(work, stream, closing)
      }
    } catch let error as TransportError {
      close(stream, CloseResult(error))
    } catch let error as SocketRefusal {
      refuse(stream, error.message)
    } catch {
      preconditionFailure("`start` throws nothing else")
    }
  }

  func start(_ request: FileRequest, _ files: FileService, on stream: StreamID) {
    let writes: FileJob.Writes =
      server.configuration.reportsWrites
      ? .reported : .recorded(audit.writes(of: stream, as: nil))
    let job = FileJob(request, service: files, writes: writes, link: link, stream: stream) {
      [weak self, server] job, result in
      if let self {
        fileLine.remove(job)
        workDidFinish(
          job, stream, .close(result ?? CloseResult(.failed, message: "the stream has ended")))
      }
      server.fileJobDidFinish()
    }
    do throws(FileError) {
      try fileLine.add(job)
      server.fileJobDidStart()
      streams[stream] = job
    } catch {
      refuse(stream, error.message)
    }
  }

  /// The reason to refuse further streams on this connection; nil if there is room.
  var streamLimitReason: String? {
    let limit = server.configuration.maxStreams
    guard streams.count + endingCount >= limit else { return nil }
    return
      "\(limit) streams are open, \(endingCount) of them still ending (max_streams): try again"
  }

  func run(
    _ request: RunRequest, under grant: Grant, length: Int, on stream: StreamID, noInput: Bool
  ) {
    switch server.admit(
      request, from: link.peer, of: client.identity, under: grant, length: length)
    {
    case .new(let job):
      job.start(
        for: commandStream(job, stream), of: ObjectIdentifier(self), noInput: noInput)
    case .running(let job):
      guard noInput || mayAttach(request, under: grant, withInputTo: job) else {
        return refuse(stream, Authority.inputRefusal.message)
      }
      job.attach(commandStream(job, stream), noInput: noInput)
    case .refused(let message): refuse(stream, message)
    case .finished(let result):
      // The output was sent to an earlier stream, so the offsets are the totals.
      link.control(stream, .opened(.command(offsets: result.bytes ?? [:])))
      close(stream, result)
    }
  }

  private func commandStream(_ job: CommandJob, _ stream: StreamID) -> CommandStream {
    let work = CommandStream(job, stream, of: self)
    streams[stream] = work
    return work
  }
}
