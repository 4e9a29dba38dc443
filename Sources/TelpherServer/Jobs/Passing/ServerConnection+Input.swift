internal import TelpherAccess
internal import TelpherTransport
internal import TelpherWire

// Input for a command that runs already. It can make a shell run anything, so a client may send it only if
// it could start the same command now: the policy, or the options of its key, may have changed since.
extension ServerConnection {
  /// The request, if it attaches to a durable job with input and must be checked.
  func checkedAttach(_ request: OpenRequest, noInput: Bool) -> JobRequest? {
    guard case .job(let job) = request, job.operation == .attach, !noInput,
      authority.restrictsInput
    else { return nil }
    return job
  }

  /// Asks the process that keeps the job for its terms, and attaches if the client may send input. Without
  /// input, each client may attach to its own jobs.
  ///
  /// - Parameters:
  ///   - host: the process, or the one that passes the request on to it.
  ///   - account: the user as whom the job runs; nil for the server's.
  func attachWithInput(
    _ request: JobRequest, to host: any StreamHost, as account: Account?, on stream: StreamID
  ) {
    do throws(WireError) {
      let passage = passage(to: host)
      // It keeps what the client sends meanwhile.
      let passed = PassedStream(
        try OpenRequest.job(request).encoded(), noInput: false, on: stream, of: self,
        through: passage, withoutHost: nil)
      let question = HostQuestion(
        try OpenRequest.job(JobRequest(.terms, job: request.job)).encoded(), through: passage,
        withoutHost: nil
      ) { [weak self, weak passed] answer in
        guard let self, let passed, passed.isOpen else { return }
        open(passed, request, answer, as: account, through: passage)
      }
      add(passed, to: stream)
      passage.open(question)
    } catch {
      refuse(stream, error.message)
    }
  }

  private func open(
    _ passed: PassedStream, _ request: JobRequest, _ answer: CloseResult, as account: Account?,
    through passage: JobPassage
  ) {
    guard answer.result == .ok, let id = answer.job else { return passed.finish(answer) }
    // A job that has ended takes no input.
    if let terms = answer.terms {
      do throws(Rights.Refusal) {
        try authority.checkInput(to: terms, as: account, server.limitPolicy)
      } catch {
        return passed.refuse(error.message)
      }
    }
    // Another job may get the name.
    var request = request
    request.job = id
    do throws(WireError) {
      passed.request = try OpenRequest.job(request).encoded()
    } catch {
      return passed.refuse(error.message)
    }
    passage.open(passed)
  }

  /// Whether a repeated request may send input to the command that runs under its id.
  func mayAttach(
    _ request: RunRequest, under grant: Grant, withInputTo job: CommandJob
  ) -> Bool {
    guard authority.restrictsInput || authority.isServer else { return true }
    guard let own = job.terms, let limits = try? server.limits(of: request, under: grant.limits),
      let new = request.terms(with: limits.byName)
    else { return false }
    return own.isWithin(new)
  }
}
