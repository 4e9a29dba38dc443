internal import Glibc
internal import TelpherClient

/// Runs `/bin/true` `count` times, `inFlight` at a time, on one connection.
func measureCommands(on connection: Connection, count: Int, inFlight: Int) async throws {
  _ = try await connection.serverHello()
  let start = ContinuousClock.now
  try await withThrowingTaskGroup { group in
    for worker in 0..<inFlight {
      let share = count / inFlight + (worker < count % inFlight ? 1 : 0)
      group.addTask {
        for _ in 0..<share {
          let result = try await connection.run(Command("/bin/true"))
          guard result.result.isSuccess else { fatalError("\(result)") }
        }
      }
    }
    try await group.waitForAll()
  }
  report("commands_per_second", Double(count) / (.now - start).seconds)
}

/// Reads all of a command's output and counts it.
func measureOutput(on connection: Connection, _ command: Command) async throws {
  _ = try await connection.serverHello()
  let start = ContinuousClock.now
  let (count, result) = try await connection.run(command) { process in
    var count = 0
    for try await chunk in process.output { count += chunk.count }
    return count
  }
  guard result.isSuccess else { fatalError("\(result)") }
  report("gigabytes_per_second", Double(count) / (.now - start).seconds / 1e9)
}

/// Runs `/bin/true` one at a time, beside other streams on the same connection.
func measureLatency(on connection: Connection, count: Int, bulk: Int, stalled: Int) async throws {
  try await withThrowingTaskGroup { group in
    for _ in 0..<bulk {
      group.addTask {
        _ = try await connection.run(Command("yes")) { process in
          for try await _ in process.output {}
        }
      }
    }
    for _ in 0..<stalled {
      group.addTask {
        _ = try await connection.run(Command("yes")) { _ in
          try await Task.sleep(for: .seconds(3_600))
        }
      }
    }
    var times: [Double] = []
    for _ in 0..<count {
      let start = ContinuousClock.now
      _ = try await connection.run(Command("/bin/true"))
      times.append((.now - start).seconds * 1e6)
    }
    times.sort()
    report("p50_us", times[count / 2])
    report("p99_us", times[count * 99 / 100])
    group.cancelAll()
    while true {
      do {
        guard try await group.next() != nil else { break }
      } catch is CancellationError {}
    }
  }
}

func report(_ name: String, _ value: Double) {
  print(name, (value * 1_000).rounded() / 1_000)
}

extension Duration {
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }
}
