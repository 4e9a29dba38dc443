internal import Glibc
internal import TelpherClient

/// Copies files to the server and back, on a tmpfs.
struct FilesSuite: Suite {
  static let name = "files"
  static let title = "Files to the server (put) and back (get), on a tmpfs"

  /// The servers to copy from and to.
  private struct Peers: Sendable {
    var servers: [ServerProgram] = []
    var ssh: SSHDaemon?
    var rsync: RsyncDaemon?

    func stop() {
      servers.forEach { $0.stop() }
      ssh?.stop()
      rsync?.stop()
    }
  }

  /// The folder that is a tmpfs on any Linux.
  private static let memory = "/dev/shm"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let size = bench.pick(2 << 30, quick: 64 << 20)
    let number = bench.pick(10_000, quick: 500)
    // Room for the files, a copy, and the receiver's partial files.
    try Self.checkSpace(2 * (size + number * 8_192) + (256 << 20))
    let folder = try PrivateFolder(in: Self.memory)
    defer { folder.remove() }
    let big = FileSet(name: "big", isFolder: false, files: 1, bytes: size)
    let small = FileSet(name: "small", isFolder: true, files: number, bytes: number * 4_096)
    try big.make(in: folder)
    try small.make(in: folder)
    // Memory for a copy, half as much again, and the overhead of the small files.
    let memory = try ReadyMemory(size + size / 2 + number * 8_192)
    defer { withExtendedLifetime(memory) {} }
    var peers = Peers()
    defer { peers.stop() }
    if Self.serversHaveFiles(bench) {
      peers.servers = try Backend.allCases.map {
        try ServerProgram($0, bench, options: ["--root", folder.path])
      }
    }
    if SSHDaemon.absence == nil { peers.ssh = try SSHDaemon(bench) }
    if RsyncDaemon.absence == nil { peers.rsync = try RsyncDaemon(bench, serving: folder.path) }
    var results: [ComparisonResult] = []
    for set in [big, small] {
      for direction in [Direction.put, .get] {
        results.append(await bench.compare(comparison(set, direction, folder, peers, bench)))
      }
    }
    return results
  }

  private enum Direction: String { case put, get }

  private func comparison(
    _ set: FileSet, _ direction: Direction, _ folder: PrivateFolder, _ peers: Peers, _ bench: Bench
  ) -> Comparison {
    let unit = set.isFolder ? "files/s" : "GB/s"
    var comparison = Comparison("\(direction.rawValue) \(set.title)", unit: unit)
    let isPut = direction == .put
    let source = folder(set.name)
    comparison.setLimit {
      try await set.measure(in: folder) { copy in
        try Program([bench.program("bench-file-c"), source, copy]).finish()
      }
    }
    comparison.add("cp") {
      try await set.measure(in: folder) { copy in
        try Program(["cp", "-r", source, copy]).finish()
      }
    }
    for server in peers.servers {
      for (address, suffix) in [(server.tcp, ""), (server.unix, ", Unix socket")] {
        comparison.add(server.backend.rawValue + suffix) {
          try await server.withConnection(to: address) { connection in
            try await set.measure(in: folder) { copy in
              let report =
                isPut
                ? try await connection.put([source], to: folder.name(copy), recursively: true)
                : try await connection.get([set.name], to: copy, recursively: true)
              guard report.isComplete else {
                throw Failure("\(report.failures.first?.message ?? "")")
              }
            }
          }
        }
      }
    }
    if peers.servers.isEmpty {
      comparison.leaveOut("uv, nio", because: "this build's `serve` has no --root")
    }
    if let ssh = peers.ssh {
      comparison.add("scp, ControlMaster") {
        try await set.measure(in: folder) { copy in
          let command =
            isPut ? ssh.copy(source, "bench:\(copy)") : ssh.copy("bench:\(source)", copy)
          try Program(command).finish()
        }
      }
    } else {
      comparison.leaveOut("scp", because: SSHDaemon.absence ?? "")
    }
    if let rsync = peers.rsync {
      comparison.add("rsync daemon") {
        try await set.measure(in: folder) { copy in
          // With a slash after its path, the contents of a folder are copied instead of the folder.
          let (slash, here) = (set.isFolder ? "/" : "", isPut ? source : copy)
          let there = rsync.address(isPut ? folder.name(copy) : set.name)
          let command = isPut ? rsync.copy(here + slash, there) : rsync.copy(there + slash, here)
          try Program(command).finish()
        }
      }
    } else {
      comparison.leaveOut("rsync daemon", because: RsyncDaemon.absence ?? "")
    }
    return comparison
  }

  private static func serversHaveFiles(_ bench: Bench) -> Bool {
    let help = try? Program.lines(of: [bench.program(Backend.uv.program), "help", "serve"])
    return help?.contains { $0.contains("--root") } ?? false
  }

  private static func checkSpace(_ bytes: Int) throws {
    var status = statvfs()
    guard statvfs(memory, &status) == 0 else { throw Failure("there is no \(memory)") }
    let free = Int(status.f_bavail) * Int(status.f_frsize)
    guard free > bytes else {
      throw Failure("\(memory) has \(free >> 20) MiB free, and \(bytes >> 20) are needed")
    }
  }
}

extension PrivateFolder {
  /// Returns `path`, which is below the folder, relative to it.
  func name(_ path: String) -> String { String(path.dropFirst(self.path.count + 1)) }
}
