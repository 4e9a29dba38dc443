internal import TelpherClient

/// Short commands beside what fills the same connection.
struct MixedLoad: Sendable {
  /// What it is, for a table.
  let title: String
  /// What fills the connection, all at once: each runs until it is canceled, and calls what it is
  /// given once it is under way.
  private let fillers: [Filler]

  private typealias Filler = @Sendable (Connection, @Sendable () -> Void) async throws -> Void

  /// Nothing beside the short commands.
  static let idle = MixedLoad(title: "idle", fillers: [])

  /// `count` commands that write as much as they can, and `stalled` ones that nobody reads.
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
        // The first piece is there; the rest fills the windows, and then the pipe.
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

  /// The file `source` that is put to `name`, again and again.
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

  /// Runs `/bin/true` `count` times, one after the other, beside the rest.
  ///
  /// - Returns: the 99th percentile in microseconds, and all latencies.
  /// - Throws: `ClientError`; `Failure` where a file can't be stored.
  func run(count: Int, on connection: Connection) async throws -> Sample {
    let (started, starts) = AsyncStream.makeStream(of: Void.self)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      for filler in fillers {
        group.addTask { try await filler(connection) { starts.yield() } }
      }
      for await _ in started.prefix(fillers.count) {}
      let latencies = try await CommandLoad.run(Command("/bin/true"), count: count, on: connection)
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
  /// The 99th percentile of nanoseconds, in microseconds.
  init(p99 latencies: [UInt64]) {
    let sorted = latencies.sorted()
    let value = sorted.isEmpty ? .nan : Double(sorted[sorted.count * 99 / 100]) / 1e3
    self.init(value, latencies: latencies)
  }
}
