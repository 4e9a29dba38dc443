internal import Synchronization
package import TelpherClient
internal import TelpherTransport
internal import TelpherWire

/// Runs commands as durable jobs of a server (docs/PROTOCOL.md, "Durable jobs").
package final class ServerRunner: JobRunner {
  private let connect: @Sendable () async throws -> Connection
  private let connection = Mutex<Connection?>(nil)

  /// The pauses after a failure of the server, doubled from the first to the last.
  private static let firstPause = Duration.milliseconds(50)
  private static let lastPause = Duration.seconds(2)
  /// How often it tries to reach the server for a command, before another worker may have it: for 3 s.
  private static let maxAttempts = 7

  /// A runner.
  ///
  /// - Parameter connect: connects to the server. It is called again when a connection was lost.
  package init(connect: @escaping @Sendable () async throws -> Connection) {
    self.connect = connect
  }

  package func launch(_ command: Command, as run: JobID) async throws -> RunOutcome {
    var command = command
    command.job = run.description
    let started = Clock.now()
    var pause = Self.firstPause
    var attempts = 0
    var wasAsked = false
    while true {
      do {
        let server = try await current()
        wasAsked = true
        do {
          let result = try await server.launchJob(command)
          if let reason = StartFault.ofWorker(result.status, command) { return .notStarted(reason) }
          guard result.status == .detached else { return Self.outcome(result, since: started) }
        } catch let error as ClientError where error.code == .refused {
          // This try has run nothing. But an earlier one, whose answer was lost, may have started it.
          if try await record(of: run) != nil { return try await wait(for: run, since: started) }
          // The server refuses what it can't do itself; a fault of the command is a result.
          return .notStarted(error.message)
        } catch let error as ClientError where error.code == .lost {
          // The connection, or the end of a command that an earlier try has started.
          let record = try await record(of: run)
          if record?.state == .unknown { return .unknown(error.message) }
          throw error
        }
        return try await wait(for: run, since: started)
      } catch {
        attempts += 1
        // Nothing has started if the server was never asked.
        if !wasAsked, attempts == Self.maxAttempts {
          let reason = (error as? ClientError)?.message ?? "\(error)"
          return .notStarted("the worker can't reach its own server: \(reason)")
        }
        try await back(off: &pause)
      }
    }
  }

  package func reattach(to run: JobID) async throws -> RunOutcome {
    try await wait(for: run, since: nil)
  }

  package func cancel(_ run: JobID) async -> Bool {
    (try? await current().kill(run.description)) != nil
  }

  /// Waits for the end of a command that may have been started.
  private func wait(for run: JobID, since started: Int64?) async throws -> RunOutcome {
    var pause = Self.firstPause
    while true {
      do {
        let server = try await current()
        do {
          // Only the end of the worker cancels a task, and so the waits of all.
          let result = try await withTaskCancellationHandler {
            try await server.waitForJob(run.description)
          } onCancel: {
            Task { await server.close() }
          }
          return Self.outcome(result, since: started)
        } catch let error as ClientError where error.code == .refused || error.code == .lost {
          // Lost is the end of the job or the connection: the list says which.
          guard let record = try await record(of: run) else {
            return .unknown("its worker's server does not know it: \(error.message)")
          }
          if record.state == .unknown { return .unknown(error.message) }
        }
      } catch {
        try await back(off: &pause)
      }
    }
  }

  /// What the server says about a command; nil if it does not know it.
  private func record(of run: JobID) async throws -> JobRecord? {
    try await current().jobRecords().first { $0.id == run.description }
  }

  private func current() async throws -> Connection {
    if let open = connection.withLock({ $0 }) { return open }
    let new = try await connect()
    connection.withLock { $0 = new }
    return new
  }

  /// Drops the connection, which may be lost, and waits some time.
  private func back(off pause: inout Duration) async throws {
    connection.withLock { $0 = nil }
    try await Task.sleep(for: pause)
    pause = min(pause * 2, Self.lastPause)
  }

  private static func outcome(_ result: CommandResult, since started: Int64?) -> RunOutcome {
    let ended = Clock.now()
    let began = started ?? ended - (result.wallTime.map { Int64($0 / .milliseconds(1)) } ?? 0)
    guard let end = JobEnd(result, startedMS: began, endedMS: ended) else {
      preconditionFailure("a job that is waited for has ended")
    }
    let wasShutDown = result.status == .canceled && result.cause == .shutdown
    return wasShutDown ? .interrupted(end) : .ended(end)
  }
}
