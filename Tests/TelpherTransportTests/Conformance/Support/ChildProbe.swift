import TelpherTransport
import Testing

/// A child process that records its exit and its output.
final class ChildProbe {
  let process: any ChildProcess
  let input: Probe?
  let output: Probe?
  let error: Probe?
  private(set) var exits: [ProcessExit] = []

  init(_ process: any ChildProcess, _ events: Events) {
    self.process = process
    input = process.input.map { Probe($0, events) }
    output = process.output.map { Probe($0, events) }
    error = process.error.map { Probe($0, events) }
    events.keep(self)
    process.onExit = { [unowned self, events, unowned process] exit in
      #expect(events.loop.isCurrent)
      process.onExit = nil
      exits.append(exit)
      events.happened()
    }
  }

  var status: ProcessExit.Status? { exits.first?.status }

  /// Whether it has exited and all its output has been read.
  var isDone: Bool {
    !exits.isEmpty && output?.hasEnded != false && error?.hasEnded != false
  }

  func resume() {
    output?.resume()
    error?.resume()
  }
}

extension Stage {
  /// Starts `command`; its output is not read yet.
  func spawn(
    _ command: Command, input: SpawnRequest.Stdio = .null, output: SpawnRequest.Stdio = .pipe,
    error: SpawnRequest.Stdio = .pipe, environment: [String: String] = [:]
  ) async throws -> ChildProbe {
    let request = SpawnRequest(
      arguments: rig.command(command),
      environment: ["PATH": "/usr/bin:/bin"].merging(environment) { $1 },
      input: input, output: output, error: error)
    let outcome = Outcome<ChildProbe, SpawnError>(events)
    let events = events
    loop.spawn(request) { spawned in
      outcome.set(spawned.map { ChildProbe($0, events) })
    }
    return try await outcome.get("spawned")
  }

  /// Starts `command`, reads all its output and waits for its exit.
  func runToEnd(
    _ command: Command, error: SpawnRequest.Stdio = .pipe, environment: [String: String] = [:]
  ) async throws -> ChildProbe {
    let child = try await spawn(command, error: error, environment: environment)
    child.resume()
    try await until("the end of \(command)") { child.isDone }
    return child
  }
}
