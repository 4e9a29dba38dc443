internal import Glibc
internal import TelpherTransport

/// Measures the throughput of a command's output.
struct OutputSuite: Suite {
  static let name = "output"
  static let title = "A command's output in GB/s"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let servers = try Backend.allCases.map { try ServerProgram($0, bench) }
    defer { servers.forEach { $0.stop() } }
    let ssh = SSHDaemon.absence == nil ? try SSHDaemon(bench) : nil
    defer { ssh?.stop() }
    var results: [ComparisonResult] = []
    for overUnix in [false, true] {
      for kibibytes in bench.pick([4, 64, 1_024], quick: overUnix ? [64] : [4, 64]) {
        results.append(await compare(kibibytes, overUnix: overUnix, servers, ssh, bench))
      }
    }
    return results
  }

  private func compare(
    _ kibibytes: Int, overUnix: Bool, _ servers: [ServerProgram], _ ssh: SSHDaemon?, _ bench: Bench
  ) async -> ComparisonResult {
    let way = overUnix ? "a Unix socket" : "TCP"
    var comparison = Comparison("written \(kibibytes) KiB at a time, over \(way)", unit: "GB/s")
    let bytes = bench.pick(2 << 30, quick: 128 << 20)
    let command = OutputLoad.command(bytes: bytes, block: kibibytes << 10)
    comparison.setLimit {
      let limit = [bench.program("bench-copy-c"), overUnix ? "unix" : "tcp"]
      return try Sample("gigabytes_per_second", in: try Program.lines(of: limit + command))
    }
    for server in servers {
      comparison.add(server.backend.rawValue) {
        try await server.withConnection(to: overUnix ? server.unix : server.tcp) { connection in
          try await OutputLoad.run(command, bytes: bytes, on: connection)
        }
      }
    }
    if overUnix {
      // ssh works over TCP only.
    } else if let ssh {
      comparison.add("ssh, aes128-gcm") {
        let line = command.joined(separator: " ")
        return Sample(Double(bytes) / Double(try Program.time(ssh.warm(line))))
      }
    } else {
      comparison.leaveOut("ssh, aes128-gcm", because: SSHDaemon.absence ?? "")
    }
    if Tool.find("socat") != nil {
      comparison.add("socat") { try Self.socat(command, bytes, overUnix: overUnix, bench) }
    } else {
      comparison.leaveOut("socat", because: "socat is not installed")
    }
    return await bench.compare(comparison)
  }

  /// One socat runs the command and serves its output; another reads it. The buffers are 64 KiB: with
  /// socat's default of 8 KiB it is several times slower.
  private static func socat(
    _ command: [String], _ bytes: Int, overUnix: Bool, _ bench: Bench
  ) throws -> Sample {
    let port = overUnix ? 0 : try Tool.freePort()
    let path = bench.folder("socat-\(bench.names.next()).sock")
    let server = try Program([
      "socat", "-b", "65536", "-U",
      overUnix ? "UNIX-LISTEN:\(path)" : "TCP-LISTEN:\(port),bind=127.0.0.1,reuseaddr,nodelay",
      "EXEC:\(command.joined(separator: " ")),pipes",
    ])
    defer { server.stop() }
    if overUnix {
      try Tool.waitForFile(path, of: "socat")
    } else {
      try Tool.waitForListener(at: port, of: "socat")
    }
    let target = overUnix ? "UNIX-CONNECT:\(path)" : "TCP:127.0.0.1:\(port)"
    let nanoseconds = try Program.time(["socat", "-b", "65536", "-u", target, "STDOUT"])
    try server.finish()
    return Sample(Double(bytes) / Double(nanoseconds))
  }
}
