package import TelpherClient
package import TelpherKeys
package import TelpherPolicy
internal import TelpherText
internal import TelpherTransport
internal import TelpherWire

/// Decides whether a worker may run a job: its payload, its signature, the keys that may submit, and the
/// worker's policy. What a broker says about a job counts for nothing.
package struct JobCheck: Sendable {
  /// The keys that may submit jobs.
  private let keys: AuthorizedKeysFile
  /// What each of them may run; nil if all may run everything.
  private let policy: (@Sendable () -> Policy)?

  /// A check.
  package init(keys: AuthorizedKeysFile, policy: (@Sendable () -> Policy)?) {
    self.keys = keys
    self.policy = policy
  }

  /// What is to be run for a job that may run.
  package struct Plan: Sendable {
    /// The command, with what the policy's rule sets.
    package var command: Command
  }

  /// Decides about a payload.
  ///
  /// - Parameters:
  ///   - job: the id by which the broker has it.
  ///   - queue: the queue from which it came; nil if it comes from the worker's own journal.
  ///   - now: milliseconds since 1970.
  /// - Returns: the verdict; and what to run, if it may be run or is too late.
  /// - Throws: `FleetError` (`local`) if the file of the keys can't be read: nothing can be said about
  ///   the job until it can.
  package func verdict(
    on payload: [UInt8], of job: JobID, from queue: QueueName?, now: Int64
  ) throws(FleetError) -> (JobVerdict, Plan?) {
    let signed: SignedJob
    do throws(FleetError) { signed = try SignedJob(payload: payload) } catch {
      return (.refused("the job can't be read: \(error.message)"), nil)
    }
    guard signed.job.id == job else {
      return (.refused("the job has the id \(signed.job.id), not that of its record"), nil)
    }
    if let queue, signed.job.queue != queue {
      return (.refused("the job was submitted for the queue \(signed.job.queue)"), nil)
    }
    if let reason = try refusal(of: signed, now: now) { return (.refused(reason), nil) }
    var plan = Plan(command: Self.command(signed.job))
    if let reason = refusal(by: signed, &plan) { return (.refused(reason), nil) }
    if let end = signed.job.notAfter, now > end { return (.expired, plan) }
    return (.runs(signed.job.policy), plan)
  }

  /// Why the signature does not count; nil if it does.
  ///
  /// - Throws: `FleetError` (`local`) if the file of the keys can't be read.
  private func refusal(of signed: SignedJob, now: Int64) throws(FleetError) -> String? {
    let bytes = signed.job.signedBytes
    guard
      case .valid(let confirmation) = signed.signature.verify(
        bytes, namespace: SignedJob.namespace)
    else { return "its signature is not one of this job by \(signed.signer)" }
    let known: AuthorizedKeys
    do throws(KeyError) { known = try keys.current() } catch {
      throw FleetError(.local, "the keys that may submit jobs can't be read: \(error)")
    }
    // No address: a key that may be used only from some can't submit jobs.
    switch known.verdict(on: signed.signature.key, confirmation, from: "", at: now / 1_000) {
    case .refused(let reason): return "\(signed.signer) may not submit jobs here: \(reason)"
    case .accepted(let entry):
      guard entry.options.command == nil else {
        return "\(signed.signer) may run only one command, and so submit no jobs"
      }
      return nil
    }
  }

  /// Why the policy does not allow the job; nil if it does.
  ///
  /// - Parameter plan: gets what the policy's rule sets.
  private func refusal(by signed: SignedJob, _ plan: inout Plan) -> String? {
    guard let policy = policy?() else { return nil }
    let job = signed.job
    var question = PolicyRequest.Run(argv: job.argv.map(\.bytes))
    question.variables = job.environment.keys.sorted()
    question.choosesDirectory = job.directory != nil
    let rule: PolicyRule
    switch policy.decide(.run(question), by: .key(fingerprint: signed.signer, account: nil)) {
    case .denied(let denial): return denial.message
    case .allowed(let allowing): rule = allowing
    }
    guard rule.runsAs == nil else {
      return
        "the worker's policy has run_as for this job, and a worker runs jobs only as its own user"
    }
    guard rule.concurrency == nil else {
      return "the worker's policy limits the number of commands, and so allows no jobs"
    }
    if let longest = rule.milliseconds {
      if let deadline = job.deadline, deadline > longest {
        return "the worker's policy does not allow this: jobs may run for \(longest) ms at most"
      }
      plan.command.deadline = .milliseconds(job.deadline ?? longest)
    }
    for ceiling in rule.limits {
      if let asked = job.limits.first(where: { $0.kind == ceiling.kind }) {
        if asked.allowsMore(than: ceiling) {
          return
            "the worker's policy does not allow this: \(ceiling.kind.optionName) is at most \(ceiling.valueText)"
        }
      } else {
        plan.command.limits.append(ceiling)
      }
    }
    if let directory = rule.directory { plan.command.directory = ByteText(directory) }
    for (name, value) in rule.environment { plan.command.environment[name] = ByteText(value) }
    return nil
  }

  private static func command(_ job: FleetJob) -> Command {
    var command = Command(arguments: job.argv)
    command.directory = job.directory
    for (name, value) in job.environment { command.environment[name] = .some(value) }
    command.limits = job.limits
    command.deadline = job.deadline.map { .milliseconds($0) }
    command.mergesErrorIntoOutput = job.mergesError
    return command
  }
}
