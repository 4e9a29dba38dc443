internal import TelpherFleet

/// Measures a fleet's queue beside the queue of its broker alone.
struct FleetSuite: Suite {
  static let name = "fleet"
  static let title = "Jobs through a queue on nats-server, each of which runs `true`"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let counts = bench.pick([1, 20, 200], quick: [1, 4])
    guard NATSServer.absence == nil else {
      return [await bench.compare(absent())]
    }
    let alone = try NATSServer(bench)
    defer { alone.stop() }
    let fleet = try Fleet(bench, workers: counts.max() ?? 1)
    defer { fleet.stop() }
    let length = try fleet.job().payload.count
    var results: [ComparisonResult] = []
    for count in counts {
      try fleet.start(count)
      let jobs = bench.pick(count == 1 ? 300 : 1_000, quick: 20)
      let load = FleetLoad(workers: count, jobs: max(jobs, 10 * count), length: length)
      results.append(await bench.compare(rate(load, alone, fleet, bench)))
      if count == 1 {
        results.append(await bench.compare(try idle(length, alone, fleet, bench)))
      }
    }
    results.append(await bench.compare(memory(fleet), rounds: 1))
    return results
  }

  private static let queue = "nats-server alone"
  private static let records = "nats-server alone, two records for each job"
  private static let telpher = "Telpher"

  private static func rateTable(_ title: String) -> Comparison {
    Comparison("from submission to result, \(title)", unit: "jobs/s")
  }

  private func absent() -> Comparison {
    var comparison = Self.rateTable("1 worker")
    for name in [Self.queue, Self.records, Self.telpher] {
      comparison.leaveOut(name, because: NATSServer.absence ?? "")
    }
    return comparison
  }

  private func rate(
    _ load: FleetLoad, _ alone: NATSServer, _ fleet: Fleet, _ bench: Bench
  ) -> Comparison {
    let workers = load.workers == 1 ? "1 worker" : "\(load.workers) workers"
    var comparison = Self.rateTable("\(workers), \(load.inFlight) jobs unfinished at a time")
    comparison.add(Self.queue, baseline: nil) {
      try alone.move(load, .acknowledgement, bench)
    }
    comparison.add(Self.records, baseline: Self.queue) {
      try alone.move(load, .records, bench)
    }
    comparison.add(Self.telpher, baseline: Self.queue) { try await fleet.move(load) }
    return comparison
  }

  private func idle(
    _ length: Int, _ alone: NATSServer, _ fleet: Fleet, _ bench: Bench
  ) throws -> Comparison {
    let load = FleetLoad(oneByOne: bench.pick(300, quick: 10), length: length)
    var comparison = Comparison(
      "one job after the other, 1 worker that is idle", unit: "ms", lessIsBetter: true)
    comparison.add(Self.queue, baseline: nil) {
      Self.mean(try alone.move(load, .acknowledgement, bench))
    }
    comparison.add(Self.records, baseline: nil) {
      Self.mean(try alone.move(load, .records, bench))
    }
    comparison.add("Telpher, until it is submitted", baseline: nil) {
      Self.mean(try await fleet.move(load, .submission))
    }
    comparison.add("Telpher, until its result", baseline: nil) {
      Self.mean(try await fleet.move(load))
    }
    try addPrograms(to: &comparison, fleet, bench)
    return comparison
  }

  /// Adds the programs that a user starts.
  private func addPrograms(
    to comparison: inout Comparison, _ fleet: Fleet, _ bench: Bench
  ) throws {
    let names = ["telpher job submit", "telpher job submit, then telpher job wait"]
    guard Tool.find("ssh-keygen") != nil else {
      for name in names { comparison.leaveOut(name, because: "ssh-keygen is not installed") }
      return
    }
    let key = bench.folder("submitter")
    try Program(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]).finish()
    try fleet.admit("\(key).pub")
    let count = bench.pick(100, quick: 3)
    for (name, waits) in zip(names, [false, true]) {
      comparison.add(name, baseline: nil) {
        var latencies: [UInt64] = []
        for _ in 0..<count {
          let begin = monotonicNow()
          guard let job = try Program.lines(of: fleet.submission(key)).first else {
            throw Failure("telpher job submit printed nothing")
          }
          let submitted = monotonicNow()
          try Program(fleet.wait(job)).finish()
          latencies.append((waits ? monotonicNow() : submitted) - begin)
        }
        return Self.mean(Sample(0, latencies: latencies))
      }
    }
  }

  /// The mean of a sample's times, in milliseconds, as its figure.
  private static func mean(_ sample: Sample) -> Sample {
    let sum = sample.latencies.reduce(0, +)
    return Sample(
      Double(sum) / Double(max(1, sample.latencies.count)) / 1e6, latencies: sample.latencies)
  }

  private func memory(_ fleet: Fleet) -> Comparison {
    var comparison = Comparison(
      "memory for each of \(fleet.processes.count) workers, after their jobs", unit: "MiB",
      lessIsBetter: true)
    for (name, processes) in [
      ("the process of the job, for some seconds after it", fleet.jobHosts),
      ("the worker", fleet.processes),
    ] {
      comparison.add(name, baseline: nil) {
        let sizes = processes.compactMap { ProcessMemory.kibibytes(of: $0) }
        guard !sizes.isEmpty else { throw Failure("no such process runs") }
        return Sample(Double(sizes.reduce(0, +)) / Double(sizes.count) / 1_024)
      }
    }
    return comparison
  }
}
