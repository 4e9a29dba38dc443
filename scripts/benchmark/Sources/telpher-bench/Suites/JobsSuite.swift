internal import Glibc
internal import TelpherClient

/// Compares the start of durable jobs with that of plain commands.
struct JobsSuite: Suite {
  static let name = "jobs"
  static let title = "The start of a detached job, one after the other"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let state = bench.folder("state")
    let server = try ServerProgram(.uv, bench, environment: ["XDG_STATE_HOME": state])
    defer {
      server.stop()
      JobHosts.stop(for: state)
    }
    let ssh = SSHDaemon.absence == nil ? try SSHDaemon(bench) : nil
    defer { ssh?.stop() }
    // The first job starts the process that keeps all of them.
    try await server.withConnection { connection in
      _ = try await connection.startJob(Command("/bin/true")).wait()
    }
    return [
      await bench.compare(starts(server, ssh, bench)),
      await bench.compare(answers(server, bench)),
      await bench.compare(programs(server, ssh, bench)),
    ]
  }

  private static let run = "run"
  private static let detached = "detached job"
  private static let ssh = "ssh, ControlMaster"
  private static let nohup = "ssh, ControlMaster, nohup"

  /// Prints the time at which it runs, in nanoseconds since 1970.
  private static let clock = ["date", "+%s%N"]

  private func starts(_ server: ServerProgram, _ ssh: SSHDaemon?, _ bench: Bench) -> Comparison {
    var comparison = Comparison(
      "from the request until the command runs", unit: "ms", lessIsBetter: true)
    let command = Command(arguments: Self.clock)
    let count = bench.pick(500, quick: 20)
    comparison.add(Self.run, baseline: nil) {
      try await server.withConnection(to: server.unix) {
        try await Self.runs(command, count: count, on: $0)
      }
    }
    comparison.add(Self.detached, baseline: Self.run) {
      try await server.withConnection(to: server.unix) {
        try await Self.jobs(command, count: count, on: $0)
      }
    }
    let fewer = bench.pick(100, quick: 5)
    addSSH(to: &comparison, ssh, Self.ssh, baseline: nil) { try Self.runs(count: fewer, over: $0) }
    addSSH(to: &comparison, ssh, Self.nohup, baseline: Self.ssh) {
      try Self.jobs(count: fewer, writing: bench.folder("started"), over: $0)
    }
    return comparison
  }

  private func answers(_ server: ServerProgram, _ bench: Bench) -> Comparison {
    var comparison = Comparison(
      "from the request until the answer: the result of `true`, or that the job runs", unit: "ms",
      lessIsBetter: true)
    let count = bench.pick(1_000, quick: 20)
    comparison.add(Self.run, baseline: nil) {
      try await server.withConnection(to: server.unix) { connection in
        Self.mean(try await CommandLoad.run(Command("/bin/true"), count: count, on: connection))
      }
    }
    comparison.add(Self.detached, baseline: Self.run) {
      try await server.withConnection(to: server.unix) { connection in
        var latencies: [UInt64] = []
        for _ in 0..<count {
          let begin = monotonicNow()
          let job = try await connection.startJob(Command("/bin/true"))
          latencies.append(monotonicNow() - begin)
          // Not beside the next start: the job before has ended then, as the command of `run` has.
          guard try await job.wait().isSuccess else { throw Failure("a job has failed") }
        }
        return Self.mean(latencies)
      }
    }
    return comparison
  }

  private func programs(_ server: ServerProgram, _ ssh: SSHDaemon?, _ bench: Bench) -> Comparison {
    var comparison = Comparison(
      "a client process for each `true`, until it has ended", unit: "ms", lessIsBetter: true)
    let count = bench.pick(300, quick: 10)
    let run = [bench.shippedProgram(.uv), "run", "--on", "\(server.unix)"]
    comparison.add("telpher run", baseline: nil) {
      Self.mean(try ProgramBatch.run(run + ["--", "/bin/true"], count: count).latencies)
    }
    comparison.add("telpher run --detach", baseline: "telpher run") {
      let detach = run + ["--detach", "--", "/bin/true"]
      return Self.mean(try ProgramBatch.run(detach, count: count).latencies)
    }
    let fewer = bench.pick(100, quick: 5)
    addSSH(to: &comparison, ssh, Self.ssh, baseline: nil) { ssh in
      Self.mean(try ProgramBatch.run(ssh.warm("/bin/true"), count: fewer).latencies)
    }
    addSSH(to: &comparison, ssh, Self.nohup, baseline: Self.ssh) { ssh in
      let line = "nohup /bin/true >/dev/null 2>&1 </dev/null &"
      return Self.mean(try ProgramBatch.run(ssh.warm(line), count: fewer).latencies)
    }
    return comparison
  }

  // MARK: Times

  /// Runs a command that prints the time, and returns when it ran.
  private static func runs(
    _ command: Command, count: Int, on connection: Connection
  ) async throws -> Sample {
    var latencies: [UInt64] = []
    for _ in 0..<count {
      let begin = clockNow()
      let result = try await connection.run(command)
      latencies.append(try time(in: result.output, after: begin))
    }
    return mean(latencies)
  }

  /// The same as a durable job.
  private static func jobs(
    _ command: Command, count: Int, on connection: Connection
  ) async throws -> Sample {
    var latencies: [UInt64] = []
    for _ in 0..<count {
      let begin = clockNow()
      let job = try await connection.startJob(command)
      var output: [UInt8] = []
      for try await chunk in job.output() { output += Array(chunk) }
      latencies.append(try time(in: output, after: begin))
    }
    return mean(latencies)
  }

  /// The same over ssh.
  private static func runs(count: Int, over ssh: SSHDaemon) throws(Failure) -> Sample {
    var latencies: [UInt64] = []
    for _ in 0..<count {
      let begin = clockNow()
      let line = try Program.lines(of: ssh.warm(clock.joined(separator: " "))).first ?? ""
      latencies.append(try time(in: Array(line.utf8), after: begin))
    }
    return mean(latencies)
  }

  /// The same over ssh in the background, with the output in `file`.
  private static func jobs(
    count: Int, writing file: String, over ssh: SSHDaemon
  ) throws(Failure) -> Sample {
    let line = "nohup \(clock.joined(separator: " ")) >\(file) 2>/dev/null </dev/null &"
    var latencies: [UInt64] = []
    for _ in 0..<count {
      try writeText("", to: file)
      let begin = clockNow()
      try Program(ssh.warm(line)).finish()
      latencies.append(try time(in: Array(try Self.line(of: file).utf8), after: begin))
    }
    return mean(latencies)
  }

  private static func mean(_ latencies: [UInt64]) -> Sample {
    Sample(Double(latencies.reduce(0, +)) / Double(latencies.count) / 1e6, latencies: latencies)
  }

  /// The nanoseconds from `begin` to the time that `clock` has printed.
  private static func time(in output: [UInt8], after begin: UInt64) throws(Failure) -> UInt64 {
    let text = String(decoding: output, as: UTF8.self).filter { !$0.isNewline }
    guard let time = UInt64(text), time >= begin else {
      throw Failure("'\(text)' is no later time in nanoseconds")
    }
    return time - begin
  }

  /// The line of a file that is being written.
  private static func line(of file: String) throws(Failure) -> String {
    for _ in 0..<1_000 {
      if let text = readText(file), text.hasSuffix("\n") { return text }
      usleep(5_000)
    }
    throw Failure("nothing was written to \(file)")
  }

  /// The system's clock, in nanoseconds since 1970.
  private static func clockNow() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  private func addSSH(
    to comparison: inout Comparison, _ ssh: SSHDaemon?, _ name: String, baseline: String?,
    _ measure: @escaping @Sendable (SSHDaemon) async throws -> Sample
  ) {
    if let ssh {
      comparison.add(name, baseline: baseline) { try await measure(ssh) }
    } else {
      comparison.leaveOut(name, because: SSHDaemon.absence ?? "")
    }
  }
}
