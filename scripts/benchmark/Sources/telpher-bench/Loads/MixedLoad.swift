internal import TelpherClient

/// Short work on a connection that carries bulk streams at the same time.
struct MixedLoad: Sendable {
  /// The description in tables.
  let title: String
  /// The bulk streams, which run at the same time. Each runs until it is canceled, and calls its
  /// second argument once it transfers data.
  private let fillers: [Filler]

  private typealias Filler = @Sendable (Connection, @Sendable () -> Void) async throws -> Void

  /// Only the short work.
  static let idle = MixedLoad(title: "idle", fillers: [])

  /// `count` commands whose unlimited output is read, and `stalled` ones whose output is not read.
  static func outputs(_ count: Int, stalled: Int = 0) -> MixedLoad {
    let reading: Filler = { connection, didStart in
      _ = try await connection.run(Command("yes")) { process in
        var isFirst = true
        for try await _ in process.output {
          if isFirst { didStart() }
          isFirst = false
        }
      }
    }
    let stalling: Filler = { connection, didStart in
      _ = try await connection.run(Command("yes")) { process in
        // Reads one chunk; the rest fills the windows, and then the pipe.
        for try await _ in process.output.prefix(1) {}
        didStart()
        try await Task.sleep(for: .seconds(3_600))
      }
    }
    return MixedLoad(
      title: (count == 1 ? "1 bulk stream" : "\(count) bulk streams")
        + (stalled > 0 ? ", \(stalled) stalled" : ""),
      fillers: Array(repeating: reading, count: count)
        + Array(repeating: stalling, count: stalled))
  }

  /// Repeated uploads of the file `source` to `name`.
  static func put(_ source: String, to name: String) -> MixedLoad {
    MixedLoad(
      title: "files put",
      fillers: [
        { connection, didStart in
          while true {
            let report = try await connection.put([source], to: name)
            guard report.isComplete else { throw Failure(report.failures.first?.message ?? name) }
            didStart()
          }
        }
      ])
  }

  /// Starts the bulk streams, then runs `/bin/true` `count` times, one after the other.
  ///
  /// - Returns: the 99th percentile in microseconds, and all latencies.
  /// - Throws: `ClientError`; `Failure` if a file cannot be stored.
  func run(count: Int, on connection: Connection) async throws -> Sample {
    try await run(on: connection) {
      try await CommandLoad.run(Command("/bin/true"), count: count, on: $0)
    }
  }

  /// Starts the bulk streams, then calls `measure`, which returns latencies in nanoseconds.
  ///
  /// - Returns: the 99th percentile in microseconds, and all latencies.
  /// - Throws: `ClientError`; `Failure` if a file cannot be stored; the error of `measure`.
  func run(
    on connection: Connection, _ measure: (Connection) async throws -> [UInt64]
  ) async throws -> Sample {
    let (started, starts) = AsyncStream.makeStream(of: Void.self)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      for filler in fillers {
        group.addTask { try await filler(connection) { starts.yield() } }
      }
      for await _ in started.prefix(fillers.count) {}
      let latencies = try await measure(connection)
      group.cancelAll()
      while true {
        do {
          guard try await group.next() != nil else { break }
        } catch is CancellationError {}
      }
      return Sample(p99: latencies)
    }
  }
}

extension Sample {
  /// The 99th percentile of `latencies` (nanoseconds), in microseconds.
  init(p99 latencies: [UInt64]) {
    let sorted = latencies.sorted()
    let value = sorted.isEmpty ? .nan : Double(sorted[sorted.count * 99 / 100]) / 1e3
    self.init(value, latencies: latencies)
  }
}
