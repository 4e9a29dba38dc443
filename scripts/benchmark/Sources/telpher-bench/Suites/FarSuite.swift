internal import TelpherClient
internal import TelpherTransport

/// Measures streams and files over a long distance: a proxy on loopback that delays each direction
/// and holds what is in transit, however much that is. All turns of a table use one open connection.
struct FarSuite: Suite {
  static let name = "far"
  static let title =
    "Over a long distance (one connection through a proxy that delays it; limit: raw TCP)"

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
    var results: [ComparisonResult] = []
    for roundTrip in bench.pick([10, 100, 300], quick: [100]) {
      let link = try FarLink(to: server.unix, roundTrip: roundTrip, bench)
      defer { link.stop() }
      results += try await server.withConnection(to: link.address) { connection in
        let way = Way(roundTrip: roundTrip, link: link, connection: connection, bench: bench)
        var results = [
          await way.compareStreams(up: false, bytes), await way.compareStreams(up: true, bytes),
        ]
        for set in [big, small] {
          results.append(await way.compareFiles(set, up: true, folder))
          results.append(await way.compareFiles(set, up: false, folder))
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

    /// Compares a command's output, or its input, with a raw stream.
    func compareStreams(up: Bool, _ bytes: Int) async -> ComparisonResult {
      let what = up ? "a command's input" : "a command's output"
      var comparison = Comparison("\(what), \(bytes >> 20) MiB, \(roundTrip) ms", unit: "GB/s")
      setLimit(of: &comparison, up: up, bytes)
      comparison.add("uv") { [connection] in
        up
          ? try await InputLoad.run(bytes: bytes, on: connection)
          : try await OutputLoad.run(
            OutputLoad.command(bytes: bytes, block: 256 << 10), bytes: bytes, on: connection)
      }
      return await bench.compare(comparison)
    }

    /// Compares `put` or `get` of files with a raw stream of as many bytes.
    func compareFiles(_ set: FileSet, up: Bool, _ folder: PrivateFolder) async -> ComparisonResult {
      var comparison = Comparison(
        "\(up ? "put" : "get") \(set.title), \(roundTrip) ms", unit: "GB/s")
      setLimit(of: &comparison, up: up, set.bytes)
      comparison.add("uv") { [connection] in
        let sample = try await set.measure(in: folder) { copy in
          let report =
            up
            ? try await connection.put(
              [folder(set.name)], to: folder.name(copy), recursively: true)
            : try await connection.get([set.name], to: copy, recursively: true)
          guard report.isComplete else {
            throw Failure("\(report.failures.first?.message ?? "")")
          }
        }
        // Of a folder it is in files per second.
        return set.isFolder ? Sample(sample.value * Double(set.bytes / set.files) / 1e9) : sample
      }
      return await bench.compare(comparison)
    }

    private func setLimit(of comparison: inout Comparison, up: Bool, _ bytes: Int) {
      let command = [
        bench.program("bench-far-c"), up ? "up" : "down", "\(link.rawPort)", "\(bytes)",
      ]
      comparison.setLimit {
        try Sample("gigabytes_per_second", in: try Program.lines(of: command))
      }
    }
  }
}
