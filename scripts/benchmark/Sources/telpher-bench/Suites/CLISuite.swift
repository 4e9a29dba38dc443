internal import TelpherTransport

/// Starts a client process for each command, as scripts and people do.
struct CLISuite: Suite {
  static let name = "cli"
  static let title = "A new client process for each `true`, on a warm server"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let servers = try Backend.allCases.map { try ServerProgram(shipped: $0, bench) }
    defer { servers.forEach { $0.stop() } }
    let ssh = SSHDaemon.absence == nil ? try SSHDaemon(bench) : nil
    defer { ssh?.stop() }
    let count = bench.pick(500, quick: 20)
    var comparison = Comparison("one after the other", unit: "ms", lessIsBetter: true)
    comparison.setLimit { try Self.measure(["/bin/true"], count) }
    for server in servers {
      let program = bench.shippedProgram(server.backend)
      let command = [program, "run", "--on", "\(server.unix)", "--", "/bin/true"]
      comparison.add(server.backend.program) { try Self.measure(command, count) }
    }
    if let ssh {
      comparison.add("ssh, ControlMaster") { try Self.measure(ssh.warm("/bin/true"), count) }
      comparison.add("ssh, cold") { try Self.measure(ssh.cold("/bin/true"), max(2, count / 50)) }
    } else {
      for name in ["ssh, ControlMaster", "ssh, cold"] {
        comparison.leaveOut(name, because: SSHDaemon.absence ?? "")
      }
    }
    return [await bench.compare(comparison)]
  }

  /// Returns the mean time in milliseconds.
  private static func measure(_ arguments: [String], _ count: Int) throws -> Sample {
    var sample = try ProgramBatch.run(arguments, count: count)
    sample.value = 1_000 / sample.value
    return sample
  }
}
