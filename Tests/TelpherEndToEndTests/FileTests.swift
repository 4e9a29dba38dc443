import Glibc
import Synchronization
import TelpherFileStore
import TelpherServer
import TelpherTestSupport
import TelpherTransfer
import TelpherWire
import Testing

@testable import TelpherClient

/// File requests of the client library to a real server over a real socket.
@Suite(.timeLimit(.minutes(5))) struct FileTests {
  /// Runs `body` with a connection to a server of the folder `root`, and a folder for the client.
  static func with(
    _ backend: SystemBackend,
    _ body: (_ connection: Connection, _ root: String, _ local: String) async throws -> Void
  ) async throws {
    let folder = "/tmp/telpher-files-\(UInt64.random(in: 0 ... .max))"
    let (root, local) = (folder + "/root", folder + "/local")
    for path in [folder, root, local] { mkdir(path, 0o755) }
    let result: Result<Void, any Error>
    do {
      let files = FileService(root: try Root(root))
      try await Fixture.with(backend, configure: { $0.files = files }) { fixture in
        try await body(try await fixture.connect(), root, local)
      }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    try? Root("/tmp").remove(
      try RelativePath(String(folder.dropFirst("/tmp/".count))), recursively: true)
    try result.get()
  }

  static func write(_ path: String, _ bytes: [UInt8]) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    _ = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
  }

  @Test(arguments: SystemBackend.all)
  func bytesAreStoredAndReadBack(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, _, _ in
      for count in [0, 1, 4_096, 262_144, 1_500_000] {
        let bytes = noise(count)
        for digest in DigestAlgorithm.allCases {
          var options = TransferOptions()
          options.digest = digest
          try await connection.write(bytes, to: "file", mode: 0o640, options: options)
          #expect(try await connection.read("file", options: options) == bytes)
        }
        let entry = try await connection.status(of: "file")
        #expect(entry.size == Int64(count))
        #expect(entry.mode == 0o640)
      }
    }
  }

  /// More puts than a server accepts at once, each larger than its first window: the client lets
  /// the others wait, and all finish.
  @Test(arguments: SystemBackend.all)
  func manyPutsAtOnceAreAllStored(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, root, _ in
      let bytes = noise(300_000)
      let count = 3 * WireConstants.maxTransfers
      var options = TransferOptions()
      options.sync = false
      try await withThrowingTaskGroup { group in
        for number in 0..<count {
          group.addTask { [options] in
            try await connection.write(bytes, to: "\(number)", options: options)
          }
        }
        try await group.waitForAll()
      }
      let entries = try await connection.list("")
      #expect(entries.count == count)
      #expect(entries.allSatisfy { $0.size == Int64(bytes.count) })
    }
  }

  @Test func aPutThatWaitsForItsTurnCanBeCanceled() async throws {
    try await Self.with(.uv) { connection, _, _ in
      let held = (0..<WireConstants.maxTransfers).map { _ in
        Task { try await connection.enterPut() }
      }
      for task in held { try await task.value }
      let waiting = Task { try await connection.write([1], to: "file") }
      waiting.cancel()
      await #expect(throws: CancellationError.self) { try await waiting.value }
      await connection.leavePut()
      try await connection.write([2], to: "file")
      #expect(try await connection.read("file") == [2])
    }
  }

  @Test(arguments: SystemBackend.all)
  func aFolderIsStoredAndFetchedBack(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, root, local in
      mkdir(local + "/a", 0o755)
      mkdir(local + "/a/b", 0o700)
      Self.write(local + "/a/one", noise(1_000_000))
      Self.write(local + "/a/b/two", [])
      symlink("../one", local + "/a/b/link")
      let meter = TransferMeter()
      async let last = meter.updates.reduce(TransferProgress()) { $1 }
      let put = try await connection.put(
        [local + "/a"], to: "copy", recursively: true, meter: meter)
      #expect(put.isComplete)
      #expect(put.counts.files == 2)
      #expect(put.counts.bytes == 1_000_000)
      let progress = await last
      #expect(progress.files == 2)
      #expect(progress.isTotalKnown)
      #expect(progress.bytes == 1_000_000)
      let get = try await connection.get(["copy"], to: local, recursively: true)
      #expect(get.isComplete)
      #expect(try Self.digest(local + "/copy/one") == Self.digest(local + "/a/one"))
      var (first, second) = (stat(), stat())
      for path in ["", "/b", "/one", "/b/two", "/b/link"] {
        lstat(local + "/a" + path, &first)
        lstat(local + "/copy" + path, &second)
        #expect(first.st_mode == second.st_mode, "\(path)")
        #expect(first.st_mtim.tv_sec == second.st_mtim.tv_sec, "\(path)")
        #expect(first.st_mtim.tv_nsec == second.st_mtim.tv_nsec, "\(path)")
      }
      // In an existing folder it is stored under its own name.
      _ = try await connection.put([local + "/a"], to: "copy", recursively: true)
      #expect(try await connection.status(of: "copy/a/b/link").link == PathText("../one"))
    }
  }

  @Test(arguments: SystemBackend.all)
  func severalSourcesAreStoredAndFetchedBack(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, root, local in
      let (from, back) = (local + "/from", local + "/back")
      for path in [from, back, from + "/folder", root + "/in"] { mkdir(path, 0o755) }
      let names = (0..<50).map { "f\($0)" }
      for (number, name) in names.enumerated() {
        Self.write("\(from)/\(name)", noise(number * 1_000, seed: number))
      }
      Self.write(from + "/folder/inside", noise(70_000))
      // The destination's link is followed, since the user names it.
      symlink("../victim", root + "/in/f1")
      Self.write(root + "/victim", [1])
      let named = names.map { "\(from)/\($0)" }
      let outcomes = Mutex<[String]>([])
      let stored = try await connection.put(
        named + [from + "/folder", from + "/missing"], to: "in",
        onFile: { report in outcomes.withLock { $0.append("\(report.path) \(report.outcome)") } })
      #expect(stored.counts.files == 50)
      #expect(stored.counts.failed == 2)
      #expect(stored.failures.map(\.path) == [from + "/folder", from + "/missing"])
      #expect(Set(outcomes.withLock { $0 }) == Set(names.map { "\($0) stored" }))
      #expect(try Self.digest(root + "/victim") == Self.digest(from + "/f1"))

      symlink("../victim", back + "/f2")
      Self.write(local + "/victim", [1])
      let paths = names.map { "in/\($0)" } + ["in", "in/missing", "../outside"]
      let fetched = try await connection.get(paths, to: back)
      #expect(fetched.counts.files == 50)
      #expect(fetched.counts.failed == 3)
      #expect(Set(fetched.failures.map(\.path)) == ["in", "in/missing", "../outside"])
      #expect(fetched.failures.contains { $0.message == "'in' is a folder, which needs -r" })
      #expect(try Self.digest(local + "/victim") == Self.digest(from + "/f2"))
      for name in names {
        #expect(try Self.digest("\(back)/\(name)") == Self.digest("\(from)/\(name)"))
      }

      let trees = try await connection.get(["in", "victim"], to: back, recursively: true)
      #expect(trees.isComplete)
      #expect(trees.counts.folders == 1)
      #expect(trees.counts.files + trees.counts.links == 51)
      await #expect(throws: FileError.self) {
        try await connection.get(["in/f1", "./in/f1"], to: back)
      }
    }
  }

  private static func digest(_ path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY)
    defer { close(descriptor) }
    return [UInt8](unsafeUninitializedCapacity: 2_000_000) { buffer, count in
      count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
  }

  @Test(arguments: SystemBackend.all)
  func smallFileRequestsWork(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, _, _ in
      try await connection.makeFolder("a/b/c", withParents: true)
      try await connection.write([1, 2, 3], to: "a/file")
      #expect(
        try await connection.list("a").map(\.path) == [PathText("a/b"), PathText("a/file")])
      #expect(try await connection.list("", recursively: true).count == 4)
      try await connection.move("a/file", to: "a/b/moved")
      #expect(try await connection.read("a/b/moved") == [1, 2, 3])
      await #expect(throws: FileError.self) { try await connection.remove("a") }
      try await connection.remove("a", recursively: true)
      #expect(try await connection.list("") == [])
      let error = await #expect(throws: FileError.self) {
        _ = try await connection.status(of: "a")
      }
      #expect(error?.errno == ENOENT)
    }
  }

  @Test(arguments: [
    "/etc/passwd", "../secret", "a/../../secret", "out/passwd", "outfile", "a\u{0}b",
    String(repeating: "n", count: 256), String(repeating: "d/", count: 3_000) + "f",
  ])
  func nothingOutsideTheRootIsReached(_ path: String) async throws {
    try await Self.with(.uv) { connection, root, local in
      symlink("/etc", root + "/out")
      symlink("/etc/passwd", root + "/outfile")
      mkdir(root + "/a", 0o755)
      Self.write(root + "/../secret", [1])
      await #expect(throws: (any Error).self) { _ = try await connection.read(path) }
      await #expect(throws: (any Error).self) {
        try await connection.get([path], to: local + "/x")
      }
      await #expect(throws: (any Error).self) { try await connection.write([9], to: path) }
      await #expect(throws: (any Error).self) { try await connection.put([local], to: path) }
      await #expect(throws: (any Error).self) { try await connection.makeFolder(path) }
      if path != "outfile" {
        await #expect(throws: (any Error).self) { try await connection.remove(path) }
      } else {
        let entry = try await connection.status(of: path)
        #expect(entry.kind == .symlink)
      }
      #expect(try await connection.info().connections == 1)
    }
  }

  @Test(arguments: SystemBackend.all)
  func aPathThatIsNoFileIsRefused(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, root, local in
      mkfifo(root + "/fifo", 0o600)
      symlink("/dev/zero", root + "/zero")
      mkdir(root + "/folder", 0o755)
      for path in ["fifo", "zero", "folder"] {
        await #expect(throws: FileError.self, "\(path)") { _ = try await connection.read(path) }
      }
      await #expect(throws: FileError.self) { try await connection.write([1], to: "folder") }
      await #expect(throws: FileError.self) {
        _ = try await connection.get(["folder"], to: local)
      }
    }
  }

  @Test(arguments: SystemBackend.all)
  func aServerWithoutFilesRefusesFileRequestsWithAReason(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend, configure: { $0.whyNoFiles = "no files here" }) { fixture in
      let connection = try await fixture.connect()
      let error = await #expect(throws: FileError.self) { _ = try await connection.list("") }
      #expect(error?.message == "no files here")
      #expect(try await connection.run(Command("true")).result.isSuccess)
    }
  }

  @Test(arguments: SystemBackend.all)
  func aCanceledTransferKeepsTheOldFileAndThePartialFile(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, root, local in
      Self.write(local + "/big", noise(20_000_000))
      Self.write(root + "/big", [7])
      let meter = TransferMeter()
      let transfer = Task {
        try await connection.put([local + "/big"], to: "big", meter: meter)
      }
      for await progress in meter.updates where progress.movedBytes > 1_000_000 {
        transfer.cancel()
        break
      }
      guard case .failure = await transfer.result else { return }
      // The cancellation may have arrived after the last byte.
      let found = try await connection.read("big", limit: 30_000_000)
      #expect(found == [7] || found == noise(20_000_000))
      #expect(try await connection.list("").count == 1)
      if found != [7] { return }
      var options = TransferOptions()
      options.resume = true
      let rest = try await connection.put([local + "/big"], to: "big", options: options)
      #expect(rest.isComplete)
      #expect(rest.counts.bytes < 20_000_000)
      #expect(try await connection.read("big", limit: 30_000_000) == noise(20_000_000))
    }
  }

  @Test(arguments: SystemBackend.all)
  func existingFilesAreSkippedOrRefused(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, _, _ in
      try await connection.write([1], to: "file")
      var options = TransferOptions()
      options.ifExists = .skip
      // More bytes than the client sends before the server answers that it does not need them.
      try await connection.write(noise(5_000_000), to: "file", options: options)
      #expect(try await connection.read("file") == [1])
      options.ifExists = .fail
      let error = await #expect(throws: FileError.self) {
        try await connection.write(noise(5_000_000), to: "file", options: options)
      }
      #expect(error?.message == "'file' exists already")
      #expect(try await connection.read("file") == [1])
    }
  }

  @Test(arguments: SystemBackend.all)
  func manyTransfersAndCommandsRunAtOnce(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, _, _ in
      let bytes = noise(300_000)
      try await withThrowingTaskGroup { group in
        for number in 0..<200 {
          group.addTask {
            try await connection.write(bytes, to: "file\(number)")
            let copy = try await connection.read("file\(number)")
            #expect(copy == bytes)
          }
          group.addTask {
            let result = try await connection.run(Command("true")).result
            #expect(result.isSuccess)
          }
        }
        try await group.waitForAll()
      }
      #expect(try await connection.list("").count == 200)
    }
  }
}
