internal import Glibc
internal import TelpherClient
internal import TelpherTransport
internal import TelpherWire

/// Attaches this process's standard streams to a durable job.
struct AttachInvocation {
  let server: ServerSettings
  let request: JobRequest
  let forwardsInput: Bool

  /// Passes the output on until the job has ended.
  ///
  /// - Returns: the status for this process to end with: the job's.
  func run() async throws(Failure) -> Int32 {
    let outcome: Result<CommandResult, Failure>
    do {
      let reached = try await ServerReach(settings: server).connect(embeddedServer: .allowed)
      let connection = reached.connection
      let (output, error) = (DescriptorSink(.output), DescriptorSink(.error))
      let (request, forwardsInput) = (request, forwardsInput)
      let attached = try await withTaskExecutorPreference(connection.loop) {
        try await connection.attach(
          request, hasInput: forwardsInput, didFindGap: GapMessage.report
        ) { handle in
          if forwardsInput { Self.forwardInput(to: handle) }
          async let rest: Void = Self.pass(handle.error, to: error)
          try await Self.pass(handle.output, to: output)
          try await rest
        }
      }
      outcome = .success(attached.result)
    } catch {
      outcome = .failure(Failure(error))
    }
    if let message = ExitStatus.explanation(ofJob: outcome) { Descriptor.complain(message) }
    return ExitStatus.status(forJob: outcome)
  }

  private static func pass(_ output: CommandOutput, to sink: DescriptorSink) async throws {
    for try await chunk in output where try await !sink.write(chunk) {
      // The reader of standard output has closed it. The job goes on.
      await output.stop()
    }
  }

  /// Starts a task that forwards standard input. The task is not awaited: a read from a terminal may
  /// never return, and the process must end when the job does.
  private static func forwardInput(to handle: RunningCommand) {
    Task(executorPreference: handle.loop) {
      do { try await InputSource().forward(to: handle.input) } catch {
        Descriptor.complain(Failure(error).message)
      }
    }
  }
}
