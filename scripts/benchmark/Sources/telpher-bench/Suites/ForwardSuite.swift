internal import TelpherTransport

/// Measures the throughput of a forwarded TCP connection, in each direction.
struct ForwardSuite: Suite {
  static let name = "forward"
  static let title = "A forwarded TCP connection in GB/s (limit: the same without forwarding)"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let raw = try Program([bench.program("bench-far-c"), "serve"], output: .pipe)
    defer { raw.stop() }
    guard let target = UInt16(try raw.readLine(after: "listening on ")) else {
      throw Failure("bench-far-c prints no port")
    }
    let server = try ServerProgram(.uv, bench)
    defer { server.stop() }
    let own = try Tool.freePort()
    let forwarder = try Program([
      bench.program(Backend.uv.program), "forward", "--on", "\(server.unix)",
      "127.0.0.1:\(own)", "127.0.0.1:\(target)",
    ])
    defer { forwarder.stop() }
    try Tool.waitForListener(at: own, of: "telpher forward")
    let ssh = SSHDaemon.absence == nil ? try SSHDaemon(bench) : nil
    defer { ssh?.stop() }
    let theirs = try Tool.freePort()
    let sshForwarder = try ssh.map { try Program($0.forward(theirs, to: target)) }
    defer { sshForwarder?.stop() }
    if sshForwarder != nil { try Tool.waitForListener(at: theirs, of: "ssh") }
    var results: [ComparisonResult] = []
    for up in [false, true] {
      results.append(
        await compare(
          up: up, target, own, sshForwarder == nil ? nil : theirs, server, bench))
    }
    return results
  }

  private func compare(
    up: Bool, _ target: UInt16, _ own: UInt16, _ ssh: UInt16?, _ server: ServerProgram,
    _ bench: Bench
  ) async -> ComparisonResult {
    let bytes = bench.pick(2 << 30, quick: 256 << 20)
    let stream = up ? "input" : "output"
    var comparison = Comparison(
      "\(up ? "to" : "from") the server's side, \(bytes >> 20) MiB", unit: "GB/s")
    func command(_ port: UInt16) -> [String] {
      [bench.program("bench-far-c"), up ? "up" : "down", "\(port)", "\(bytes)"]
    }
    let limit = command(target)
    comparison.setLimit {
      try Sample("gigabytes_per_second", in: try Program.lines(of: limit))
    }
    let reference = "uv, a command's \(stream)"
    comparison.add(reference) {
      try await server.withConnection(to: server.unix) { connection in
        up
          ? try await InputLoad.run(bytes: bytes, on: connection)
          : try await OutputLoad.run(
            OutputLoad.command(bytes: bytes, block: 256 << 10), bytes: bytes, on: connection)
      }
    }
    let forwarded = command(own)
    comparison.add("uv, forward", baseline: reference) {
      try Sample("gigabytes_per_second", in: try Program.lines(of: forwarded))
    }
    if let ssh {
      let forwarded = command(ssh)
      comparison.add("ssh -L, aes128-gcm", baseline: reference) {
        try Sample("gigabytes_per_second", in: try Program.lines(of: forwarded))
      }
    } else {
      comparison.leaveOut("ssh -L, aes128-gcm", because: SSHDaemon.absence ?? "")
    }
    return await bench.compare(comparison)
  }
}
