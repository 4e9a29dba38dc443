import Glibc
@testable import TelpherFiles
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

/// Files that are announced in one record, and folders that a transfer makes.
@Suite(.timeLimit(.minutes(1))) struct AnnouncedFilesTests {
  /// Each byte of a name may become six of JSON, and a receiver takes no longer record than it says.
  @Test func theLongestNamesAndFoldersFitIntoRecords() throws {
    let pair = PortPair()
    var writer = RecordWriter(port: pair.first)
    let folder = [UInt8](repeating: 1, count: RelativePath.maximumLength)
    let status = FileStatus(
      kind: .file, size: .max, allocated: 0, mode: 0o7777, modifiedNS: .min, changedNS: 0,
      device: 0, inode: 0)
    for number in 0..<500 {
      let name = "\(number)" + String(repeating: "\u{1}", count: 252)
      try writer.announce(name, in: folder, status)
    }
    try writer.flush()
    pair.first.finish(.index)
    var reader = RecordReader()
    var names = 0
    while let chunk = try pair.second.receive(.index) {
      for record in try reader.read(chunk) { names += record.files?.names.count ?? 0 }
    }
    #expect(names == 500)
  }

  @Test func filesOfSeveralFoldersAndModesAreToldApart() async throws {
    try await TreeFixture.with { fixture in
      for folder in ["a", "a/a", "b"] { mkdir(fixture.source + "/\(folder)", 0o755) }
      for number in 0..<400 {
        let folder = ["", "/a", "/a/a", "/b"][number % 4]
        fixture.write(
          fixture.source + "\(folder)/\(number)", noise(number, seed: number),
          mode: [0o644, 0o600, 0o755][number % 3])
      }
      let outcome = try await fixture.transfer()
      #expect(outcome.messages == [])
      #expect(try outcome.counts.files == 400)
      #expect(
        try TreeFixture.listing(fixture.source)
          == TreeFixture.listing(fixture.destination + "/tree"))
    }
  }

  @Test(arguments: ["..", ".", "", "a/b", "/etc", "../outside", "a\u{0}b"])
  func namesThatLeadElsewhereAreRefused(_ name: String) async throws {
    try await TreeFixture.with { fixture in
      let (_, received) = try await fixture.receive { (port) throws(FileError) in
        port.announce(folder: "tree")
        port.announce(name, in: "tree", size: 1)
        _ = try port.receive(.index)
      }
      #expect(throws: FileError.self) { try received.get() }
      #expect(try TreeFixture.listing(fixture.destination).count == 1)
    }
  }

  @Test func filesOfAFolderThatWasNotAskedForAreRefused() async throws {
    try await TreeFixture.with { fixture in
      let (_, received) = try await fixture.receive(expecting: "tree") {
        (port) throws(FileError) in
        port.announce("file", in: "", size: 1)
        _ = try port.receive(.index)
      }
      let error = #expect(throws: FileError.self) { try received.get() }
      #expect(error?.message.contains("was sent and not asked for") == true)
      #expect(try TreeFixture.listing(fixture.destination) == [])
    }
  }

  /// What somebody else puts into a folder that a transfer has made, before the file gets its name.
  @Test(arguments: [FileRequest.IfExists.replace, .fail, .skip], [5, 100_000])
  func aFileThatTurnsUpInANewFolderIsTreatedAsOneThatWasThere(
    _ ifExists: FileRequest.IfExists, _ size: Int
  ) async throws {
    try await TreeFixture.with { fixture in
      let path = fixture.destination + "/tree/file"
      var options = TransferOptions()
      options.ifExists = ifExists
      let bytes = noise(size, seed: 1)
      let (sent, received) = try await fixture.receive(options) { (port) throws(FileError) in
        port.announce(folder: "tree")
        port.announce("file", in: "tree", size: size)
        // The receiver has looked, and wants it.
        _ = try port.receive(.index)
        fixture.write(path, [9])
        port.send(bytes, asFile: 1)
        while try port.receive(.index) != nil {}
      }
      try sent.get()
      let (counts, failures) = try received.get()
      #expect(TreeFixture.read(path) == (ifExists == .replace ? bytes : [9]))
      #expect(counts.failed == (ifExists == .replace ? 0 : 1))
      #expect(failures.allSatisfy { $0.message.contains("there is something of that name") })
      #expect(
        try Root(fixture.destination + "/tree").folder(.root).names().filter(Partial.isPartial)
          == [])
    }
  }

  @Test func aFolderThatTurnsUpInANewFolderIsNotReplaced() async throws {
    try await TreeFixture.with { fixture in
      let path = fixture.destination + "/tree/file"
      let (sent, received) = try await fixture.receive { (port) throws(FileError) in
        port.announce(folder: "tree")
        port.announce("file", in: "tree", size: 3)
        _ = try port.receive(.index)
        mkdir(path, 0o755)
        port.send([1, 2, 3], asFile: 1)
        while try port.receive(.index) != nil {}
      }
      try sent.get()
      #expect(try received.get().0.failed == 1)
      #expect(try TreeFixture.listing(fixture.destination).count == 2)
    }
  }
}

extension TreeFixture {
  /// Has a receiver take what `sender` does by hand.
  fileprivate func receive(
    _ options: TransferOptions = TransferOptions(), expecting: String? = nil,
    from sender: @escaping @Sendable (TransferPort) throws(FileError) -> Void
  ) async throws -> (Result<Void, FileError>, Result<(TreeCounts, [TransferFailure]), FileError>) {
    let root = try Root(destination)
    return await PortPair().run(sender) { (port) throws(FileError) in
      var receiver = TreeReceiver(
        port: port, root: root, base: .root, expecting: expecting.map { Array($0.utf8) },
        options: options)
      try receiver.run()
      return (receiver.counts, receiver.failures)
    }
  }
}

extension TransferPort {
  fileprivate func announce(folder: String) {
    tell(TreeRecord(entry: FileEntry(path: PathText(folder), kind: .directory, mode: 0o755)))
  }

  fileprivate func announce(_ name: String, in folder: String, size: Int) {
    var record = TreeRecord()
    record.files = FileBatch(folder: PathText(folder), mode: 0o644)
    record.files?.append(name, size: Int64(size), mtimeNS: 0)
    tell(record)
  }

  /// All of a file, and the end.
  fileprivate func send(_ bytes: [UInt8], asFile number: Int) {
    var hasher = FileHasher(.xxh128)
    bytes.withUnsafeBytes { hasher.update($0) }
    var record = TreeRecord(file: number)
    record.whole = [hasher.digest]
    tell(record)
    enqueue(Chunk(bytes), on: .file)
    finish(.index)
    finish(.file)
  }

  private func tell(_ record: TreeRecord) { enqueue(Chunk(record.encoded()), on: .index) }
}
