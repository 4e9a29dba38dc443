internal import TelpherWire

// Which clients may send input to a job. For `attach` the servers decide, by the terms of the job; a
// repeated `run` has terms of its own, which are compared here.
extension JobKeeper {
  /// The answer to a server that asks for the terms of a job: without them if the job has ended.
  ///
  /// - Throws: `Refusal` if they are not known.
  func terms(of job: KeptJob) throws(Refusal) -> CloseResult {
    var answer = CloseResult(.ok)
    answer.job = job.id
    guard job.isLive else { return answer }
    guard let terms = job.terms else {
      throw Refusal(.failed, "it is not known what the job \(job.id) was allowed to do")
    }
    answer.terms = terms
    return answer
  }

  /// Checks that a request which would start a job with these terms now may send input to the one that
  /// the same request has started.
  func checkInput(to job: KeptJob, _ new: JobTerms?) throws(Refusal) {
    guard let new else { return }
    let isUnlimited = new.limits.isEmpty && new.deadlineMS == nil
    guard job.terms?.isWithin(new.limits, deadlineMS: new.deadlineMS) ?? isUnlimited else {
      throw Refusal(.refused, Authority.inputRefusal.message)
    }
  }
}
