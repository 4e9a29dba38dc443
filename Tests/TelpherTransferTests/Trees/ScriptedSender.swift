import TelpherTransport
import TelpherWire

@testable import TelpherFileStore
@testable import TelpherTransfer

extension TreeFixture {
  /// Runs a receiver against a scripted `sender`.
  func receive(
    _ options: TransferOptions = TransferOptions(), expecting: String? = nil,
    meter: TransferMeter? = nil,
    from sender: @escaping @Sendable (TransferPort) throws(FileError) -> Void
  ) async throws -> (Result<Void, FileError>, Result<(TreeCounts, [TransferFailure]), FileError>) {
    let root = try Root(destination)
    return await PortPair().run(sender) { (port) throws(FileError) in
      var receiver = try TreeReceiver(
        port: port, root: root, base: .root,
        expecting: expecting.map { ExpectedNames(Array($0.utf8)) } ?? .any,
        options: options, meter: meter)
      try receiver.run()
      return (receiver.counts, receiver.failures)
    }
  }
}

extension TransferPort {
  func announce(folder: String) {
    sendRecord(.entry(FileEntry(path: PathText(folder), kind: .directory, mode: 0o755)))
  }

  func announce(_ name: String, in folder: String, size: Int) {
    var files = FileBatch(folder: PathText(folder), mode: 0o644)
    files.append(name, size: Int64(size), mtimeNS: 0)
    sendRecord(.files(files))
  }

  /// Sends a complete file, the end of its folder (entry 0), and the end of the tree.
  func send(
    _ bytes: [UInt8], asFile number: Int,
    complete: (files: Int, folders: Int, unsent: Int) = (1, 1, 0)
  ) {
    var hasher = FileHasher(.xxh128)
    bytes.withUnsafeBytes { hasher.update($0) }
    sendRecord(.whole(first: number, digests: [hasher.digest]))
    enqueue(Chunk(bytes), on: .file)
    sendRecord(.leave(0))
    self.complete(files: complete.files, folders: complete.folders, unsent: complete.unsent)
  }

  /// Sends the counts of announced entries, and ends both channels.
  func complete(files: Int = 0, folders: Int = 0, links: Int = 0, unsent: Int = 0) {
    var announcement = TreeAnnouncement()
    announcement.entries.files = files
    announcement.entries.folders = folders
    announcement.entries.links = links
    announcement.unsent = unsent
    sendRecord(.complete(announcement))
    finish(.index)
    finish(.file)
  }

  func sendRecord(_ record: TreeRecord) { enqueue(Chunk(record.encoded()), on: .index) }
}

extension TransferPort {
  /// Runs `work` with a port whose sent data is never taken, and `meanwhile` at the same time. Then
  /// ends the port.
  ///
  /// - Returns: the result of `work`.
  static func withBlockedSends(
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

  /// A copy of the current state. That a worker waits has no effect that the loop's side sees.
  var state: PortState { monitor.withLock { $0 } }
}
