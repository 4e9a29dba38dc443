internal import TelpherClient
internal import TelpherTransport
internal import TelpherWire

/// Prints the output of a durable job.
struct LogsInvocation {
  let server: ServerSettings
  /// What to print; its operation is `attach`.
  let request: JobRequest

  /// Prints the output, and what is missing of it on standard error.
  ///
  /// - Throws: `Failure` if not all of it could be printed, or if the job's end was not seen.
  func run() async throws(Failure) {
    do {
      let reached = try await ServerReach(settings: server).connect(embeddedServer: .allowed)
      let connection = reached.connection
      let (output, error) = (DescriptorSink(.output), DescriptorSink(.error))
      let request = request
      try await withTaskExecutorPreference(connection.loop) {
        _ = try await connection.attach(request, didFindGap: GapMessage.report) { handle in
          async let rest: Void = pass(handle.error, of: handle, to: error)
          try await pass(handle.output, of: handle, to: output)
          try await rest
        }
      }
    } catch {
      throw Failure(error)
    }
  }

  private func pass(
    _ output: CommandOutput, of handle: RunningCommand, to sink: DescriptorSink
  ) async throws {
    var lines = TimestampedLines()
    var time: JobMark.Time?
    for try await chunk in output {
      var isOpen = true
      if request.times == true {
        var rest = chunk
        while isOpen, !rest.isEmpty {
          // The times are for the same bytes as the output, in the same order.
          if time?.bytes ?? 0 == 0 { time = await handle.nextTime(of: output) }
          guard var current = time, current.bytes > 0 else {
            throw Failure("the server sent output without its time")
          }
          let part = rest.removePrefix(Int(min(UInt64(rest.count), current.bytes)))
          current.bytes -= UInt64(part.count)
          time = current
          let marked = part.withUnsafeBytes { lines.mark($0, at: current.timeNS) }
          isOpen = try await sink.write(Chunk(marked))
        }
      } else {
        isOpen = try await sink.write(chunk)
      }
      // The reader of the output has closed it, as in `telpher logs | head`.
      if !isOpen { await output.stop() }
    }
  }
}
