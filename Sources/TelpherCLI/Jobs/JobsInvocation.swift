internal import ArgumentParser
internal import Glibc
internal import TelpherClient

/// Does something with several durable jobs of one server.
struct JobsInvocation {
  let server: ServerSettings

  /// Performs `body` for all jobs at once.
  ///
  /// - Returns: what came of each, in the order of `jobs`.
  /// - Throws: `Failure` if the server can't be reached.
  func perform<Value: Sendable>(
    on jobs: [String], _ body: @escaping @Sendable (Connection, String) async throws -> Value
  ) async throws -> [(job: String, outcome: Result<Value, Failure>)] {
    let connection = try await connect()
    return await withTaskGroup { group in
      for (index, job) in jobs.enumerated() {
        group.addTask { () -> (Int, Result<Value, Failure>) in
          do { return (index, .success(try await body(connection, job))) } catch {
            return (index, .failure(Failure(error)))
          }
        }
      }
      var outcomes: [Int: Result<Value, Failure>] = [:]
      for await (index, outcome) in group { outcomes[index] = outcome }
      return jobs.enumerated().compactMap { index, job in outcomes[index].map { (job, $0) } }
    }
  }

  private func connect() async throws(Failure) -> Connection {
    do {
      return try await ServerReach(settings: server).connect(embeddedServer: .allowed).connection
    } catch {
      throw Failure(error)
    }
  }

  /// The ids of all jobs that have ended.
  ///
  /// - Throws: `Failure` if the server can't be reached or lists no jobs.
  func endedJobs() async throws(Failure) -> [String] {
    let connection = try await connect()
    do {
      return try await connection.jobRecords()
        .filter { $0.state == .finished || $0.state == .unknown }.map(\.id)
    } catch {
      throw Failure(error)
    }
  }

  /// Performs `body` for all jobs and reports the failures.
  ///
  /// - Throws: `ExitCode` 1 if one has failed; `Failure` if the server can't be reached.
  func change(
    _ jobs: [String], _ body: @escaping @Sendable (Connection, String) async throws -> Void
  ) async throws {
    var hasFailed = false
    for case (_, .failure(let failure)) in try await perform(on: jobs, body) {
      Descriptor.complain(failure.message)
      hasFailed = true
    }
    if hasFailed { throw ExitCode(EXIT_FAILURE) }
  }
}
