internal import TelpherClient

/// Runs one command many times on one connection.
enum CommandLoad {
  /// Runs `arguments` `count` times, `inFlight` at a time.
  ///
  /// - Returns: commands per second, and how long each took.
  /// - Throws: `ClientError`; `Failure` if a command fails.
  static func run(
    _ arguments: [String], count: Int, inFlight: Int, on connection: Connection
  ) async throws -> Sample {
    let begin = monotonicNow()
    let latencies = try await withThrowingTaskGroup(of: [UInt64].self) { group in
      for worker in 0..<inFlight {
        let share = count / inFlight + (worker < count % inFlight ? 1 : 0)
        group.addTask {
          try await run(Command(arguments: arguments), count: share, on: connection)
        }
      }
      var all: [UInt64] = []
      for try await some in group { all += some }
      return all
    }
    return Sample(perSecond: count, since: begin, latencies: latencies)
  }

  /// Runs `command` `count` times, one after the other.
  ///
  /// - Returns: how many nanoseconds each took.
  /// - Throws: `ClientError`; `Failure` if a command fails.
  static func run(_ command: Command, count: Int, on connection: Connection) async throws
    -> [UInt64]
  {
    var latencies: [UInt64] = []
    latencies.reserveCapacity(count)
    for _ in 0..<count {
      let begin = monotonicNow()
      let result = try await connection.run(command)
      guard result.result.isSuccess else { throw Failure("\(result.result.status)") }
      latencies.append(monotonicNow() - begin)
    }
    return latencies
  }
}
