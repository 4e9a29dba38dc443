internal import TelpherClient

/// Short commands beside others that write as much as they can, on one connection.
enum MixedLoad {
  /// Runs `/bin/true` `count` times, one after the other, while `bulk` outputs are read.
  ///
  /// - Returns: the 99th percentile in microseconds, and all latencies.
  /// - Throws: `ClientError`.
  static func run(count: Int, bulk: Int, on connection: Connection) async throws -> Sample {
    let (started, starts) = AsyncStream.makeStream(of: Void.self)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<bulk {
        group.addTask {
          _ = try await connection.run(Command("yes")) { process in
            var isFirst = true
            for try await _ in process.output {
              if isFirst { starts.yield() }
              isFirst = false
            }
          }
        }
      }
      for await _ in started.prefix(bulk) {}
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
