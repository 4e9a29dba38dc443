@testable import TelpherFiles
import TelpherTransport
import TelpherWire

extension TreeFixture {
  /// Has a receiver take what `sender` does by hand.
  func receive(
    _ options: TransferOptions = TransferOptions(), expecting: String? = nil,
    meter: TransferMeter? = nil,
    from sender: @escaping @Sendable (TransferPort) throws(FileError) -> Void
  ) async throws -> (Result<Void, FileError>, Result<(TreeCounts, [TransferFailure]), FileError>) {
    let root = try Root(destination)
    return await PortPair().run(sender) { (port) throws(FileError) in
      var receiver = try TreeReceiver(
        port: port, root: root, base: .root, expecting: expecting.map { Array($0.utf8) },
        options: options, meter: meter)
      try receiver.run()
      return (receiver.counts, receiver.failures)
    }
  }
}

extension TransferPort {
  func announce(folder: String) {
    tell(TreeRecord(entry: FileEntry(path: PathText(folder), kind: .directory, mode: 0o755)))
  }

  func announce(_ name: String, in folder: String, size: Int) {
    var record = TreeRecord()
    record.files = FileBatch(folder: PathText(folder), mode: 0o644)
    record.files?.append(name, size: Int64(size), mtimeNS: 0)
    tell(record)
  }

  /// All of a file, the end of its folder 0, and the end of a tree of those two.
  func send(
    _ bytes: [UInt8], asFile number: Int,
    complete: (files: Int, folders: Int, unsent: Int) = (1, 1, 0)
  ) {
    var hasher = FileHasher(.xxh128)
    bytes.withUnsafeBytes { hasher.update($0) }
    var record = TreeRecord(file: number)
    record.whole = [hasher.digest]
    tell(record)
    enqueue(Chunk(bytes), on: .file)
    var leave = TreeRecord()
    leave.leave = 0
    tell(leave)
    self.complete(files: complete.files, folders: complete.folders, unsent: complete.unsent)
  }

  /// Says how much was announced, and ends.
  func complete(files: Int = 0, folders: Int = 0, links: Int = 0, unsent: Int = 0) {
    var record = TreeRecord()
    var announcement = TreeAnnouncement()
    announcement.entries.files = files
    announcement.entries.folders = folders
    announcement.entries.links = links
    announcement.unsent = unsent
    record.complete = announcement
    tell(record)
    finish(.index)
    finish(.file)
  }

  func tell(_ record: TreeRecord) { enqueue(Chunk(record.encoded()), on: .index) }
}

extension TransferPort {
  /// Has `work` run with a port from which nothing of what it sends is taken, and `meanwhile` beside
  /// it; then the port is ended.
  ///
  /// - Returns: how `work` ended.
  static func unheard(
    _ work: @escaping @Sendable (TransferPort) throws(FileError) -> Void,
    meanwhile: (TransferPort) async throws -> Void
  ) async throws -> Result<Void, FileError> {
    let port = TransferPort {}
    let pool = WorkerPool(limit: 1)
    async let result: Result<Void, FileError> = withCheckedContinuation { continuation in
      try! pool.run {
        do throws(FileError) {
          continuation.resume(returning: .success(try work(port)))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    let enough = FileError(.canceled, "enough")
    do {
      try await meanwhile(port)
    } catch {
      port.end(enough)
      throw error
    }
    port.end(enough)
    return await result
  }
}
