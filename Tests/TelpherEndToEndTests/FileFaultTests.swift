import Glibc
import TelpherClient
import TelpherFileStore
import TelpherTestSupport
import TelpherTransfer
import Testing
import TelpherTransport

/// A server that is killed, or whose disk fails, at each system call of a transfer: the file must
/// be the old one or the complete new one.
@Suite(.timeLimit(.minutes(10)), .enabled(if: FileServer.hasTracer, "strace(1) is not installed"))
struct FileFaultTests {
  /// The system calls that store a file.
  static let calls = ["pwrite64", "fsync", "syncfs", "renameat"]

  @Test(arguments: calls, [true, false])
  func aServerThatIsKilledAtACallLeavesTheOldOrTheNewFile(_ call: String, _ asTree: Bool)
    async throws
  {
    let (old, new) = (noise(100_000, seed: 1), noise(700_000, seed: 2))
    try await FileServer.with { files in
      files.write(files.local + "/file", new)
      for turn in 1...20 {
        files.write(files.root + "/file", old)
        var isStored = false
        try await files.serve(faults: ["\(call):signal=SIGKILL:when=\(turn)"]) { connection in
          do {
            if asTree {
              isStored = try await connection.put([files.local + "/file"], to: "file").isComplete
            } else {
              try await connection.write(new, to: "file")
              isStored = true
            }
          } catch let error as ClientError {
            #expect(error.code == .lost)
          }
        }
        let found = files.read(files.root + "/file")
        #expect(found == new || (!isStored && found == old), "\(call) \(turn)")
        // The next transfer resumes from the partial file.
        try await files.serve { connection in
          var options = TransferOptions()
          options.resume = true
          let report = try await connection.put(
            [files.local + "/file"], to: "file", options: options)
          #expect(report.isComplete)
          #expect(report.counts.bytes <= 700_000)
        }
        #expect(files.read(files.root + "/file") == new)
        #expect(try files.names() == ["file"])
        if isStored { return }
      }
      Issue.record("\(call) comes too often")
    }
  }

  @Test(arguments: [
    ("pwrite64", "ENOSPC", 28), ("pwrite64", "EIO", 5), ("pwrite64", "EDQUOT", 122),
    ("fsync", "EIO", 5), ("syncfs", "EIO", 5), ("renameat", "EXDEV", 18),
    ("renameat", "ENOSPC", 28),
  ])
  func aFailedCallIsReportedAndHarmsNothingElse(_ call: String, _ name: String, _ number: Int32)
    async throws
  {
    let (old, new) = (noise(1_000, seed: 1), noise(700_000, seed: 2))
    try await FileServer.with { files in
      files.write(files.local + "/file", new)
      files.write(files.root + "/file", old)
      try await files.serve(faults: ["\(call):error=\(name)"]) { connection in
        try await Self.whileACommandRuns(connection) {
          if call != "fsync" {
            // Either only the file fails, or the whole transfer fails with the file's group.
            let message: String
            do {
              let report = try await connection.put([files.local + "/file"], to: "file")
              message = try #require(report.failures.first?.message)
            } catch let error as FileError {
              message = error.message
            }
            let reason = name == "EXDEV" ? "another file system" : describe(errno: number)
            #expect(message.contains(reason))
          }
          if call != "syncfs" { try await Self.expect(number, writing: new, connection) }
        }
        let found = try await connection.read("file")
        #expect(found == old)
      }
      #expect(try files.names() == ["file"])
    }
  }

  @Test(.enabled(if: QuotaFileSystem.isPossible, "no btrfs can be made and mounted"))
  func aFullQuotaIsReportedAndHarmsNothingElse() async throws {
    try await FileServer.with { files in
      let (old, new) = (noise(1_000, seed: 1), noise(2 * QuotaFileSystem.limit, seed: 2))
      let quota = QuotaFileSystem(image: files.folder + "/image", place: files.root)
      try #require(quota.make())
      files.write(files.local + "/file", new)
      let isAlive = try await files.serve(wrapper: quota.wrapper) { connection in
        try await connection.write(old, to: "file")
        try await Self.whileACommandRuns(connection) {
          let report = try await connection.put([files.local + "/file"], to: "file")
          #expect(report.counts.failed == 1)
          let message = try #require(report.failures.first?.message)
          #expect(message == "cannot write 'file': Disk quota exceeded")
          try await Self.expect(EDQUOT, writing: new, connection)
        }
        let found = try await connection.read("file")
        #expect(found == old)
        let names = try await connection.run(Command("ls", "-A", files.root)).output
        #expect(String(decoding: names, as: UTF8.self) == "file\n")
      }
      #expect(isAlive)
    }
  }

  @Test(.enabled(if: !Sanitizer.isPresent, "a sanitizer's own files are larger"))
  func aFileSizeLimitEndsTheTransferButNotTheServer() async throws {
    try await FileServer.with { files in
      files.write(files.local + "/file", noise(700_000, seed: 2))
      let isAlive = try await files.serve(
        wrapper: ["/bin/sh", "-c", "ulimit -f 200; exec \"$@\"", "sh"]
      ) { connection in
        let error = await #expect(throws: FileError.self) {
          try await connection.write(noise(700_000, seed: 2), to: "file")
        }
        #expect(error?.errno == EFBIG)
        let report = try await connection.put([files.local + "/file"], to: "tree")
        #expect(report.counts.failed == 1)
        try await connection.write([1], to: "small")
      }
      #expect(isAlive)
      #expect(try files.names() == ["small"])
    }
  }

  /// Serialized, because each case needs twice the size of the file on the disk.
  @Test(.serialized, arguments: 0..<Scale.pick(fast: 3, full: 20))
  func aTransferThatIsKilledAtAnyMomentCanBeResumed(_ number: Int) async throws {
    let size = Scale.pick(fast: 64 << 20, full: 2 << 30)
    try await FileServer.with { files in
      let (source, copy) = (files.local + "/file", files.root + "/file")
      Self.fill(source, size, seed: number)
      // A write stores about 110 KiB, the bytes that arrived together.
      let moment = Int.random(in: 1...(size / (128 * 1024)))
      let isAlive = try await files.serve(faults: ["pwrite64:signal=SIGKILL:when=\(moment)"]) {
        connection in
        _ = try? await connection.put([source], to: "file")
      }
      #expect(isAlive == (access(copy, F_OK) == 0), "killed at write \(moment)")
      var kept: Int64 = 0
      for name in try files.names() where name != "file" {
        var status = stat()
        stat(files.root + "/" + name, &status)
        kept = Int64(status.st_size)
      }
      #expect(isAlive || kept > 0 || moment == 1, "killed at write \(moment)")
      try await files.serve { connection in
        var options = TransferOptions()
        options.resume = true
        let report = try await connection.put([source], to: "file", options: options)
        #expect(report.isComplete)
        #expect(report.counts.bytes <= (isAlive ? Int64(size) : Int64(size) - kept + 16 << 20))
      }
      #expect(try files.names() == ["file"])
      #expect(
        LocalShell.run(["/usr/bin/cmp", source, copy], environment: []) == .exited(0),
        "killed at write \(moment)")
    }
  }

  /// Runs `body` while a command runs, and checks that the command then succeeds.
  private static func whileACommandRuns(
    _ connection: Connection, _ body: () async throws -> Void
  ) async throws {
    let (hasBegun, isOver) = (Gathering(2), Gathering(2))
    let command = Task {
      try await connection.run(Command("cat"), hasInput: true) { process in
        await hasBegun.arrive()
        await isOver.arrive()
        await process.input.finish()
      }
    }
    await hasBegun.arrive()
    let result: Result<Void, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    await isOver.arrive()
    let isFine = try await command.value.result.isSuccess
    #expect(isFine)
    try result.get()
  }

  /// Checks that storing `bytes` as `file` throws an error with `number` and the file's name.
  private static func expect(
    _ number: Int32, writing bytes: [UInt8], _ connection: Connection
  ) async throws {
    let error = await #expect(throws: FileError.self) {
      try await connection.write(bytes, to: "file")
    }
    #expect(error?.errno == number)
    #expect(error?.message.contains("file") == true)
  }

  /// Writes a file of `size` bytes, in which each MiB is different.
  private static func fill(_ path: String, _ size: Int, seed: Int) {
    var block = noise(1 << 20, seed: seed)
    let descriptor = open(path, O_WRONLY | O_CREAT, 0o644)
    for number in 0..<(size >> 20) {
      block.withUnsafeMutableBytes {
        $0.storeBytes(of: number, as: Int.self)
        _ = Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
    }
    close(descriptor)
  }
}
