/// Counts the allocations and futex(2) calls of a server for a frame, a command and a MiB of output.
/// These figures do not depend on the speed of the machine.
struct CostsSuite: Suite {
  static let name = "costs"
  static let title = "Allocations and futex calls of the server, for one more of each"

  /// Work of a server in two sizes.
  private struct Work: Sendable {
    var title: String
    /// Does the work, once or twice as much, and returns the number of operations.
    var run: @Sendable (_ isTwice: Bool) async throws -> Double
    var server: Program
  }

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    var results: [ComparisonResult] = []
    for title in Self.titles {
      var comparison = Comparison(
        "allocations for each \(title)", unit: "allocations", lessIsBetter: true)
      for backend in Backend.allCases {
        comparison.add(backend.rawValue, baseline: nil) {
          let counter = try AllocationCount(bench)
          let work = try Self.work(title, backend, bench, counter.environment)
          defer { work.server.stop() }
          return Sample(
            try await Self.difference(work) { body in
              let before = try counter.read()
              let count = try await body()
              return (count, Double(try counter.read() - before))
            })
        }
      }
      results.append(await bench.compare(comparison, rounds: 1))
    }
    for title in Self.titles {
      var comparison = Comparison(
        "futex calls for each \(title)", unit: "calls", lessIsBetter: true)
      for backend in Backend.allCases {
        if let absence = FutexCount.absence {
          comparison.leaveOut(backend.rawValue, because: absence)
          continue
        }
        comparison.add(backend.rawValue, baseline: nil) {
          let work = try Self.work(title, backend, bench)
          defer { work.server.stop() }
          return Sample(
            try await Self.difference(work) { body in
              var count = 0.0
              let calls = try await FutexCount.count(of: work.server, bench) {
                count = try await body()
              }
              return (count, Double(calls))
            })
        }
      }
      results.append(await bench.compare(comparison, rounds: 1))
    }
    return results
  }

  /// Returns the cost of one more operation. Fixed costs, such as those of opening a connection, are
  /// the same in both sizes and cancel out.
  private static func difference(
    _ work: Work,
    _ measure: (_ body: () async throws -> Double) async throws -> (count: Double, cost: Double)
  ) async throws -> Double {
    // A first run that is not measured, so that one-time initialization does not count.
    _ = try await work.run(false)
    let once = try await measure { try await work.run(false) }
    let twice = try await measure { try await work.run(true) }
    return (twice.cost - once.cost) / (twice.count - once.count)
  }

  private static let titles = ["echoed DATA frame", "answered PING", "command", "MiB of output"]

  private static func work(
    _ title: String, _ backend: Backend, _ bench: Bench, _ environment: [String: String] = [:]
  ) throws -> Work {
    if title == titles[0] {
      let command = [bench.program("telpher-bench"), "echo", "--backend", backend.rawValue]
      let echo = try EchoProgram(command, environment: environment)
      return Work(
        title: title,
        run: { isTwice in
          try load(.data, isTwice, bench).count(bench, port: echo.port, .hello)
        }, server: echo.program)
    }
    let server = try ServerProgram(backend, bench, environment: environment)
    let run: @Sendable (Bool) async throws -> Double =
      switch title {
      case titles[1]:
        { isTwice in
          let token = try server.token()
          return try load(.ping, isTwice, bench).count(bench, port: server.tcp.port, .proof(token))
        }
      case titles[2]:
        { isTwice in
          let count = bench.pick(1_000, quick: 50) * (isTwice ? 2 : 1)
          return try await server.withConnection(to: server.unix) { connection in
            _ = try await CommandLoad.run(
              ["/bin/true"], count: count, inFlight: 1, on: connection)
            return Double(count)
          }
        }
      default:
        { isTwice in
          let bytes = bench.pick(1 << 30, quick: 64 << 20) * (isTwice ? 2 : 1)
          let command = OutputLoad.command(bytes: bytes, block: 65_536)
          return try await server.withConnection { connection in
            _ = try await OutputLoad.run(command, bytes: bytes, on: connection)
            return Double(bytes >> 20)
          }
        }
      }
    return Work(title: title, run: run, server: server.program)
  }

  private static func load(_ kind: FrameLoad.Kind, _ isTwice: Bool, _ bench: Bench) -> FrameLoad {
    let seconds = bench.pick(1, quick: 0.1) * (isTwice ? 2 : 1)
    return FrameLoad(kind: kind, connections: 16, depth: 1, seconds: seconds)
  }
}
