import Glibc
import TelpherFileStore
import TelpherTestSupport
import TelpherWire
import Testing

@testable import TelpherTransfer

/// Files that are sent before the receiver has asked for them.
@Suite(.timeLimit(.minutes(1))) struct UnaskedFilesTests {
  private static let options = {
    var options = TransferOptions()
    options.ifExists = .replace
    return options
  }()

  @Test func unaskedFilesArriveLikeOthers() async throws {
    try await TreeFixture.with { fixture in
      fixture.write(fixture.source + "/large", noise(3 << 20))
      for number in 0..<1_500 { fixture.write("\(fixture.source)/\(number)", noise(number % 70)) }
      let outcome = try await fixture.transfer(Self.options)
      #expect(try outcome.counts.files == 1_501)
      #expect(try outcome.failures.isEmpty)
      let expected = try TreeFixture.listing(fixture.source)
      #expect(try TreeFixture.listing(fixture.destination + "/tree") == expected)
    }
  }

  /// Folders are in the way of a small and of a large file.
  @Test func thoseThatCanNotBeStoredFailAndTheOthersArrive() async throws {
    try await TreeFixture.with { fixture in
      for name in ["a", "b", "c", "d"] {
        fixture.write("\(fixture.source)/\(name)", noise(name == "c" ? 20 << 20 : 10))
      }
      mkdir(fixture.destination + "/tree", 0o755)
      for name in ["b", "c"] { mkdir("\(fixture.destination)/tree/\(name)", 0o755) }
      let outcome = try await fixture.transfer(Self.options)
      #expect(try outcome.counts.files == 2)
      #expect(try outcome.failures.map(\.path).sorted() == ["tree/b", "tree/c"])
      #expect(try outcome.sent.get().count == 2)
      for name in ["a", "d"] {
        #expect(
          TreeFixture.read("\(fixture.destination)/tree/\(name)")
            == TreeFixture.read("\(fixture.source)/\(name)"))
      }
    }
  }

  /// Without the option, bytes that were not asked for violate the protocol, and with it those of a
  /// file that was not announced.
  @Test(arguments: [false, true])
  func bytesOfOtherFilesEndTheStream(_ isUnasked: Bool) async throws {
    try await TreeFixture.with { fixture in
      let to = try Root(fixture.destination)
      var options = Self.options
      options.sendsUnasked = isUnasked
      mkdir(fixture.destination + "/a", 0o755)
      let (_, received) = await PortPair().run { (port) throws(FileError) in
        port.announce("a", in: "", size: 1)
        port.sendRecord(.file(FilePart(isUnasked ? 1 : 0, data: 1)))
        while try port.receive(.index) != nil {}
      } _: { [options] (port) throws(FileError) in
        var receiver = try TreeReceiver(port: port, root: to, base: .root, options: options)
        try receiver.run()
      }
      let error = #expect(throws: FileError.self) { try received.get() }
      #expect(error?.message.contains("which was not requested") == true)
    }
  }

  @Test func theyNeedFilesThatReplaceWhatExists() throws {
    for key in [#""if_exists":"changed""#, #""resume":true"#, #""compare_digests":true"#] {
      let request = #"{"op":"put_tree","path":"a","unasked":true,\#(key)}"#
      let error = #expect(throws: WireError.self) {
        try OpenRequest.decode(Array(request.utf8))
      }
      #expect(error?.message.contains("'unasked' needs") == true)
    }
    _ = try OpenRequest.decode(Array(#"{"op":"get_tree","path":"a","unasked":true}"#.utf8))
  }
}
