import Glibc
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

/// Announcements of several files in one record, and folders that a transfer makes.
@Suite(.timeLimit(.minutes(1))) struct AnnouncedFilesTests {
  /// Each byte of a name may become six bytes of JSON, and a receiver refuses a record that is
  /// longer than `TreeRecord.maxLength`.
  @Test func longestNamesAndFoldersFitIntoRecords() throws {
    let pair = PortPair()
    var writer = RecordWriter(port: pair.first)
    let folder = [UInt8](repeating: 1, count: RelativePath.maximumLength)
    let status = FileStatus(
      kind: .file, size: .max, allocated: 0, mode: 0o7777, modifiedNS: .min, changedNS: 0,
      device: 0, inode: 0)
    for number in 0..<500 {
      let name = "\(number)" + String(repeating: "\u{1}", count: 252)
      writer.announce(name, in: folder, status)
    }
    writer.flush()
    pair.first.finish(.index)
    var lines: [UInt8] = []
    while let chunk = try pair.second.receive(.index) { lines += [UInt8](chunk) }
    let lengths = lines.split(separator: UInt8(ascii: "\n")).map { $0.count + 1 }
    #expect(lengths.max() ?? 0 > TreeRecord.maxLength / 2)
    #expect(lengths.max() ?? 0 <= TreeRecord.maxLength)
    let names = try TreeRecord.decode(lines: lines).map { record in
      if case .files(let files) = record { files.names.count } else { 0 }
    }
    #expect(names.reduce(0, +) == 500)
  }

  @Test(arguments: [TreeRecord.maxLength, .max])
  func tooLongRecordIsRefusedForAnyChunkSize(_ piece: Int) throws {
    for length in [TreeRecord.maxLength, TreeRecord.maxLength + 1] {
      let frame = #"{"leave":1,"path":""}"#.utf8.count + 1
      let path = String(repeating: "x", count: length - frame)
      let line = Array(#"{"leave":1,"path":"\#(path)"}"#.utf8) + [UInt8(ascii: "\n")]
      #expect(line.count == length)
      var (reader, rest, count) = (RecordReader(), Chunk(line), 0)
      func read() throws(FileError) {
        while !rest.isEmpty {
          count += try reader.read(rest.removePrefix(min(piece, rest.count))).count
        }
      }
      if length == TreeRecord.maxLength {
        try read()
        #expect(count == 1)
      } else {
        let error = #expect(throws: FileError.self) { try read() }
        #expect(error?.message == "a record of channel 5 is longer than 65536 bytes")
      }
    }
  }

  @Test func filesOfSeveralFoldersAndModesAreStored() async throws {
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
  func nameThatIsNotASingleComponentIsRefused(_ name: String) async throws {
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

  @Test func filesOfAFolderThatWasNotRequestedAreRefused() async throws {
    try await TreeFixture.with { fixture in
      let (_, received) = try await fixture.receive(expecting: "tree") {
        (port) throws(FileError) in
        port.announce("file", in: "", size: 1)
        _ = try port.receive(.index)
      }
      let error = #expect(throws: FileError.self) { try received.get() }
      #expect(error?.message.contains("which was not requested") == true)
      #expect(try TreeFixture.listing(fixture.destination) == [])
    }
  }

  /// Another process puts a file into a folder that the transfer has made, before the rename.
  @Test(arguments: [FileRequest.IfExists.replace, .fail, .skip], [5, 100_000])
  func fileThatAppearsInANewFolderIsTreatedAsExisting(
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
        // The receiver has found no file, and wants this one.
        _ = try port.receive(.index)
        fixture.write(path, [9])
        port.send(bytes, asFile: 1)
        while try port.receive(.index) != nil {}
      }
      try sent.get()
      let (counts, failures) = try received.get()
      #expect(TreeFixture.read(path) == (ifExists == .replace ? bytes : [9]))
      #expect(counts.failed == (ifExists == .replace ? 0 : 1))
      #expect(failures.allSatisfy { $0.message.contains("the destination exists already") })
      #expect(
        try Root(fixture.destination + "/tree").folder(.root).names().filter(Partial.isPartial)
          == [])
    }
  }

  @Test func folderThatAppearsInANewFolderIsNotReplaced() async throws {
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
