/// Measures commands per second on one connection, and how long each takes.
struct CommandsSuite: Suite {
  static let name = "commands"
  static let title = "Commands per second on one connection that is open already"

  private struct Work {
    var name: String
    var arguments: [String]
  }

  private static let works = [
    Work(name: "true", arguments: ["/bin/true"]),
    Work(name: "sh -c true", arguments: ["/bin/sh", "-c", "true"]),
  ]

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let servers = try ServerProgram.launchers(bench)
    defer { servers.forEach { $0.stop() } }
    let ssh = SSHDaemon.absence == nil ? try SSHDaemon(bench) : nil
    defer { ssh?.stop() }
    var results: [ComparisonResult] = []
    for work in Self.works {
      for inFlight in bench.pick([1, 16, 256], quick: work.name == "true" ? [16] : [1]) {
        results.append(await compare(work, inFlight, servers, ssh, bench))
      }
    }
    return results
  }

  private func compare(
    _ work: Work, _ inFlight: Int, _ servers: [ServerProgram], _ ssh: SSHDaemon?, _ bench: Bench
  ) async -> ComparisonResult {
    var comparison = Comparison("\(work.name), \(inFlight) in flight", unit: "commands/s")
    let count = bench.pick(inFlight == 1 ? 2_000 : 4_000, quick: 200)
    let fewer = bench.pick(inFlight == 256 ? 768 : 400, quick: 30)
    let arguments = work.arguments
    comparison.setLimit {
      let limit = [bench.program("bench-spawn-c"), "\(count)", "\(inFlight)", "0"]
      return try Sample("commands_per_second", in: try Program.lines(of: limit + arguments))
    }
    for server in servers {
      comparison.add(server.name) {
        try await server.withConnection(to: server.unix) { connection in
          try await CommandLoad.run(arguments, count: count, inFlight: inFlight, on: connection)
        }
      }
    }
    if let ssh {
      comparison.add("ssh, ControlMaster") {
        // sshd passes each command to the user's shell, so `true` is enough for `sh -c true`.
        let command = arguments.count == 1 ? arguments[0] : "true"
        return try ProgramBatch.run(ssh.warm(command), count: fewer, inFlight: inFlight)
      }
    } else {
      comparison.leaveOut("ssh, ControlMaster", because: SSHDaemon.absence ?? "")
    }
    comparison.add(inFlight == 1 ? "shell loop" : "\(inFlight) shell loops") {
      try Self.shellLoops(arguments, count: count, loops: inFlight)
    }
    return await bench.compare(comparison)
  }

  /// Runs as many shell loops at the same time as there are commands in flight.
  private static func shellLoops(_ arguments: [String], count: Int, loops: Int) throws -> Sample {
    let command = arguments.count == 1 ? arguments[0] : "/bin/sh -c true"
    let each = count / loops
    let loop = "i=0; while [ $i -lt \(each) ]; do \(command) || exit; i=$((i + 1)); done"
    let script = "for n in $(seq \(loops)); do (\(loop)) & done; wait"
    let begin = monotonicNow()
    try Program(["/bin/sh", "-c", script]).finish()
    return Sample(perSecond: each * loops, since: begin)
  }
}
