internal import TelpherClient
internal import TelpherTransport

/// Measures streams and files over a long distance: a proxy on loopback that delays each direction
/// and holds what is in transit, however much that is. All turns of a table use one open connection.
struct FarSuite: Suite {
  static let name = "far"
  static let title =
    "Over a long distance (open connections through a proxy that delays them; limit: raw TCP)"

  /// The folder that is a tmpfs on any Linux.
  private static let memory = "/dev/shm"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let folder = try PrivateFolder(in: Self.memory)
    defer { folder.remove() }
    let bytes = bench.pick(200 << 20, quick: 50 << 20)
    let number = bench.pick(10_000, quick: 1_000)
    let big = FileSet(name: "big", isFolder: false, files: 1, bytes: bytes)
    let small = FileSet(name: "small", isFolder: true, files: number, bytes: number * 4_096)
    try big.make(in: folder)
    try small.make(in: folder)
    let server = try ServerProgram(.uv, bench, options: ["--root", folder.path])
    defer { server.stop() }
    let rsync = RsyncDaemon.absence == nil ? try RsyncDaemon(bench, serving: folder.path) : nil
    defer { rsync?.stop() }
    var results: [ComparisonResult] = []
    for roundTrip in bench.pick([10, 100, 300], quick: [100]) {
      let link = try FarLink(to: server.unix, roundTrip: roundTrip, bench)
      defer { link.stop() }
      let ssh = SSHDaemon.absence == nil ? try SSHDaemon(bench, roundTrip: roundTrip) : nil
      defer { ssh?.stop() }
      var proxy: FarProxy?
      if let rsync { proxy = try FarProxy(to: "\(rsync.port)", roundTrip: roundTrip, bench) }
      defer { proxy?.stop() }
      let rsyncPort = try proxy?.port() ?? 0
      results += try await server.withConnection(to: link.address) { connection in
        let way = Way(
          roundTrip: roundTrip, link: link, connection: connection, bench: bench, folder: folder,
          ssh: ssh, rsync: rsync.map { ($0, rsyncPort) })
        var results = [
          await way.compareStreams(up: false, bytes), await way.compareStreams(up: true, bytes),
        ]
        for set in [big, small] {
          results.append(await way.compareFiles(set, up: true))
          results.append(await way.compareFiles(set, up: false))
        }
        return results
      }
    }
    return results
  }

  /// One distance.
  private struct Way: Sendable {
    let roundTrip: Int
    let link: FarLink
    let connection: Connection
    let bench: Bench
    let folder: PrivateFolder
    let ssh: SSHDaemon?
    /// The daemon, and the port that leads to it over the distance.
    let rsync: (daemon: RsyncDaemon, port: UInt16)?

    /// The aims of this suite are medians of five turns.
    private var rounds: Int { max(bench.rounds, bench.pick(5, quick: 1)) }

    /// ssh sends at most 2 MiB per round trip and would take very long, so it transfers only a
    /// tenth of the bytes.
    private static let partForSSH = 10

    /// Compares a command's output, or its input, with a raw stream.
    func compareStreams(up: Bool, _ bytes: Int) async -> ComparisonResult {
      let what = up ? "a command's input" : "a command's output"
      var comparison = Comparison("\(what), \(bytes >> 20) MiB, \(roundTrip) ms", unit: "GB/s")
      setLimit(of: &comparison, up: up, bytes)
      addSameWork(to: &comparison, up: up, bytes, ["command"])
      let command = OutputLoad.command(bytes: bytes, block: 256 << 10)
      comparison.add("uv") { [connection] in
        up
          ? try await InputLoad.run(bytes: bytes, on: connection)
          : try await OutputLoad.run(command, bytes: bytes, on: connection)
      }
      addSSH(to: &comparison) { ssh in
        let part = bytes / Self.partForSSH
        let source = OutputLoad.command(bytes: part, block: 256 << 10).joined(separator: " ")
        let sink = "dd of=/dev/null bs=256K status=none"
        let far = ssh.warm(up ? sink : source).joined(separator: " ")
        let line = up ? "\(source) | \(far)" : "\(far) | \(sink)"
        return Sample(Double(part) / Double(try Program.time(["sh", "-c", line])))
      }
      return await bench.compare(comparison, rounds: rounds)
    }

    /// Compares `put` or `get` of files with a raw stream of as many bytes.
    func compareFiles(_ set: FileSet, up: Bool) async -> ComparisonResult {
      var comparison = Comparison(
        "\(up ? "put" : "get") \(set.title), \(roundTrip) ms", unit: "GB/s")
      setLimit(of: &comparison, up: up, set.bytes)
      if !set.isFolder {
        let (source, copy) = (folder(set.name), folder("raw-copy"))
        addSameWork(to: &comparison, up: up, set.bytes, ["file", source, copy]) { [folder] in
          folder.remove("raw-copy")
        }
      }
      if set.isFolder { addAim(to: &comparison, up: up, set.bytes) }
      let baseline = set.isFolder ? Self.treeAim : Comparison.limit
      comparison.add("uv", baseline: baseline) { [connection, folder] in
        try await measure(set) { copy in
          let report =
            up
            ? try await connection.put(
              [folder(set.name)], to: folder.name(copy), recursively: set.isFolder)
            : try await connection.get([set.name], to: copy, recursively: set.isFolder)
          guard report.isComplete else {
            throw Failure("\(report.failures.first?.message ?? "")")
          }
        }
      }
      if set.isFolder {
        comparison.leaveOut("scp", because: "it takes several round trips for each file")
      } else {
        addSSH(to: &comparison) { [bench, folder] ssh in
          let part = FileSet(
            name: "part-\(bench.names.next())", isFolder: false, files: 1,
            bytes: set.bytes / Self.partForSSH)
          try part.make(in: folder)
          defer { folder.remove(part.name) }
          return try await measure(part) { copy in
            let source = folder(part.name)
            let command =
              up ? ssh.copy(source, "bench:\(copy)") : ssh.copy("bench:\(source)", copy)
            _ = try Program.lines(of: command)
          }
        }
      }
      guard let (daemon, port) = rsync else {
        comparison.leaveOut("rsync", because: RsyncDaemon.absence ?? "")
        return await bench.compare(comparison, rounds: rounds)
      }
      comparison.add("rsync", baseline: baseline) { [folder] in
        try await measure(set) { copy in
          // With a slash rsync copies what is in a folder.
          let slash = set.isFolder ? "/" : ""
          let here = up ? folder(set.name) : copy
          let there = daemon.address(up ? folder.name(copy) : set.name, through: port)
          _ = try Program.lines(
            of: up ? daemon.copy(here + slash, there) : daemon.copy(there + slash, here))
        }
      }
      return await bench.compare(comparison, rounds: rounds)
    }

    private func measure(
      _ set: FileSet, _ copy: (String) async throws -> Void
    ) async throws -> Sample {
      let sample = try await set.measure(in: folder, copy)
      // Of a folder it is in files per second.
      return set.isFolder ? Sample(sample.value * Double(set.bytes / set.files) / 1e9) : sample
    }

    private func setLimit(of comparison: inout Comparison, up: Bool, _ bytes: Int) {
      let command = raw(up: up, bytes)
      comparison.setLimit {
        try Sample("gigabytes_per_second", in: try Program.lines(of: command))
      }
    }

    /// The name of the aim for a tree of small files, to which the ratios of its table refer.
    private static let treeAim = "aim: 1.5 times raw TCP's time and 5 round trips"

    /// Adds the aim for a tree, from another measurement of the raw stream.
    private func addAim(to comparison: inout Comparison, up: Bool, _ bytes: Int) {
      let command = raw(up: up, bytes)
      let trips = 5 * Double(roundTrip) / 1_000
      comparison.add(Self.treeAim) {
        let raw = try Sample("gigabytes_per_second", in: try Program.lines(of: command))
        let gigabytes = Double(bytes) / 1e9
        return Sample(gigabytes / (1.5 * gigabytes / raw.value + trips))
      }
    }

    /// Adds a raw TCP stream with the pipes or files that Telpher has too.
    private func addSameWork(
      to comparison: inout Comparison, up: Bool, _ bytes: Int, _ work: [String],
      cleanUp: @escaping @Sendable () -> Void = {}
    ) {
      let command = raw(up: up, bytes) + work
      comparison.add("raw TCP with the same work") {
        defer { cleanUp() }
        return try Sample("gigabytes_per_second", in: try Program.lines(of: command))
      }
    }

    private func raw(up: Bool, _ bytes: Int) -> [String] {
      [bench.program("bench-far-c"), up ? "up" : "down", "\(link.rawPort)", "\(bytes)"]
    }

    private func addSSH(
      to comparison: inout Comparison,
      _ measure: @escaping @Sendable (SSHDaemon) async throws -> Sample
    ) {
      let name = "ssh, a tenth of the bytes"
      if let ssh {
        comparison.add(name) { try await measure(ssh) }
      } else {
        comparison.leaveOut(name, because: SSHDaemon.absence ?? "")
      }
    }
  }
}
