internal import Glibc

/// Runs a command on many hosts at once.
struct FanOutSuite: Suite {
  static let name = "fan-out"
  static let title = "One command on many hosts (all on this machine)"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let server = try ServerProgram(shipped: .uv, bench)
    defer { server.stop() }
    let count = bench.pick(200, quick: 16)
    let many = bench.pick(1_000, quick: 32)
    let sockets = try Self.names("\(server.unix)", max(count, many), bench)
    let ssh = Self.absence == nil ? try SSHDaemon(bench) : nil
    defer { ssh?.stop() }
    let hosts = try ssh.map { try ManyHosts($0, count: count, bench) }
    defer { hosts?.stop() }
    let telpher = Telpher(program: bench.shippedProgram(.uv), sockets: sockets)
    // The first run of Telpher over ssh makes the connections that are kept.
    if let hosts { _ = try Program.time(hosts.telpher(telpher.program, "/bin/true")) }
    let rounds = bench.pick(3, quick: 1)
    var results = [
      await bench.compare(time(telpher, hosts, count), rounds: rounds),
      await bench.compare(memory(telpher, hosts, bench), rounds: 1),
    ]
    var large = Comparison("`true` on \(many) hosts, for each", unit: "ms", lessIsBetter: true)
    large.add("Telpher, Unix sockets", baseline: nil) {
      try Self.perHost(many, telpher.command(many, "/bin/true"))
    }
    results.append(await bench.compare(large, rounds: rounds))
    return results
  }

  /// Why there are no hosts for ssh; nil if there are.
  private static var absence: String? { SSHDaemon.absence }

  /// `telpher on` with a socket for each host.
  private struct Telpher {
    let program: String
    /// The template of the sockets' addresses.
    let sockets: String

    func command(_ count: Int, _ command: String...) -> [String] {
      [program, "on", "h[1-\(count)]", "--address", sockets, "-S", "--"] + command
    }
  }

  /// Gives a server the names of many hosts, and returns the template of their addresses.
  private static func names(
    _ address: String, _ count: Int, _ bench: Bench
  ) throws(Failure) -> String {
    let path = String(address.dropFirst("unix:".count))
    for host in 1...count where symlink(path, bench.folder("fan-h\(host).sock")) != 0 {
      throw Failure("cannot make a link to \(path)")
    }
    return "unix:\(bench.folder("fan-%h.sock"))"
  }

  private func time(_ telpher: Telpher, _ hosts: ManyHosts?, _ count: Int) -> Comparison {
    var comparison = Comparison(
      "`true` on \(count) hosts, for each", unit: "ms", lessIsBetter: true)
    comparison.add("Telpher, Unix sockets", baseline: nil) {
      try Self.perHost(count, telpher.command(count, "/bin/true"))
    }
    guard let hosts else {
      for name in ["Telpher over ssh, kept", "clush, ControlMaster", "pdsh, ControlMaster"] {
        comparison.leaveOut(name, because: Self.absence ?? "")
      }
      return comparison
    }
    comparison.add("Telpher over ssh, kept", baseline: nil) {
      try Self.perHost(count, hosts.telpher(telpher.program, "/bin/true"))
    }
    for (name, command) in [
      ("clush, ControlMaster", hosts.clush("/bin/true")),
      ("pdsh, ControlMaster", hosts.pdsh("/bin/true")),
    ] {
      if let command {
        comparison.add(name, baseline: nil) { try Self.perHost(count, command) }
      } else {
        comparison.leaveOut(name, because: "it is not installed")
      }
    }
    return comparison
  }

  private func memory(_ telpher: Telpher, _ hosts: ManyHosts?, _ bench: Bench) -> Comparison {
    let count = bench.pick(64, quick: 8)
    let megabytes = bench.pick(2, quick: 1)
    var comparison = Comparison(
      "peak memory of the client while \(count) hosts print \(megabytes) MB each", unit: "MiB",
      lessIsBetter: true)
    let lines = "yes telpher | head -c \(megabytes)000000"
    comparison.add("Telpher, Unix sockets", baseline: nil) {
      try Self.peak(telpher.command(count, "/bin/sh", "-c", lines))
    }
    if let hosts, let command = hosts.clush(lines, count: min(count, hosts.count)) {
      comparison.add("clush, ControlMaster", baseline: nil) { try Self.peak(command) }
    } else {
      comparison.leaveOut("clush, ControlMaster", because: Self.absence ?? "it is not installed")
    }
    return comparison
  }

  /// The time of a command in milliseconds for each host.
  private static func perHost(_ count: Int, _ command: [String]) throws -> Sample {
    let nanoseconds = try Program.time(command)
    return Sample(Double(nanoseconds) / 1e6 / Double(count))
  }

  /// The peak of a program's own resident memory in MiB, without that of programs that it starts.
  private static func peak(_ command: [String]) throws -> Sample {
    // The shell replaces itself, so that the process is the program.
    let program = try Program(command, output: .null)
    defer { program.stop() }
    var peak = 0.0
    // The last line of /proc that can be read is the peak, except for the last moment.
    while let size = ProcessMemory.peak(of: program.pid) {
      peak = max(peak, size)
      usleep(20_000)
    }
    try program.finish()
    return Sample(peak)
  }
}

/// Names of hosts that all lead to one sshd, each with a connection of its own that clients share
/// (ControlMaster).
private final class ManyHosts: Sendable {
  let count: Int
  private let configuration: String
  private let hosts: String

  /// Connects to every host.
  ///
  /// - Throws: `Failure` if a connection can't be made.
  init(_ daemon: SSHDaemon, count: Int, _ bench: Bench) throws(Failure) {
    self.count = count
    hosts = "h[1-\(count)]"
    configuration = try daemon.configuration(
      forHosts: "h*", sharedAt: bench.folder("many-%n"), in: bench)
    for host in 1...count {
      try Program(["ssh", "-F", configuration, "-f", "-N", "-M", "h\(host)"]).finish()
    }
  }

  /// Ends the connections.
  func stop() {
    for host in 1...count {
      _ = try? Program(
        ["ssh", "-F", configuration, "-O", "exit", "h\(host)"], output: .null, error: .null
      ).wait()
    }
  }

  /// Runs `command` on all hosts by clush; nil if it is not installed.
  func clush(_ command: String, count: Int? = nil) -> [String]? {
    guard let clush = Tool.find("clush") else { return nil }
    return [
      clush, "-q", "-f", "64", "-O", "ssh_options=-F \(configuration)", "-w",
      count.map { "h[1-\($0)]" } ?? hosts, command,
    ]
  }

  /// Runs `command` on all hosts by pdsh; nil if it is not installed.
  func pdsh(_ command: String) -> [String]? {
    guard let pdsh = Tool.find("pdsh") else { return nil }
    return [
      "env", "PDSH_SSH_ARGS_APPEND=-F \(configuration)", pdsh, "-R", "ssh", "-f", "64", "-w", hosts,
      command,
    ]
  }

  /// Runs `command` on all hosts by Telpher, over connections that are kept.
  func telpher(_ program: String, _ command: String) -> [String] {
    [
      program, "on", hosts, "--keep", "60s", "-S", "--address",
      "exec:ssh -F \(configuration) %h \(program) serve --listen stdio", "--", command,
    ]
  }
}
