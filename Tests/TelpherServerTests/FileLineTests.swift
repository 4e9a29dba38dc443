import Glibc
import TelpherFiles
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// Who waits for whom where files are concerned: nobody for the threads that another client holds.
@Suite(.timeLimit(.minutes(15))) struct FileLineTests {
  /// A file of which a worker can't queue all for a client that reads nothing.
  private static let size = 8 << 20
  private static let silent = #"{"version":1,"window":0}"#
  private static let get = #"{"op":"get","path":"big"}"#

  /// Runs `body` with a server of few threads, and one file `big`, and many of a folder `many`.
  private static func with(
    _ configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (Fixture) async throws -> Void
  ) async throws {
    var template = Array("/tmp/telpher-line-XXXXXX".utf8CString)
    let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
    let root = try Root(folder)
    let file = creat("\(folder)/big", 0o644)
    ftruncate(file, off_t(size))
    close(file)
    mkdir("\(folder)/many", 0o755)
    // More than a worker queues: 4 reads of 256 KiB at most.
    close(creat("\(folder)/many/small", 0o644))
    for number in 0..<1_500 {
      symlink(String(repeating: "y", count: 1_000), "\(folder)/many/\(number)")
    }
    let result: Result<Void, any Error>
    do {
      try await Fixture.inMemory { configuration in
        configuration.files = FileService(root: root)
        configuration.maxFileWorkers = 4
        configuration.maxTransfersPerConnection = 2
        configuration.maxSmallFileWorkers = 4
        configuration.maxSmallFileRequestsPerConnection = 2
        configure(&configuration)
      } _: { fixture in
        try await body(fixture)
      }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    try? Root("/tmp").remove(try RelativePath(String(folder.dropFirst(5))), recursively: true)
    try result.get()
  }

  private static func stat(_ client: RawPeer, _ stream: UInt32 = 1) async throws {
    await client.send(open(stream, #"{"op":"stat","path":"big"}"#))
    #expect(try await client.result(stream).contains(#""size":8388608"#))
  }

  @Test(arguments: [get, #"{"op":"list","path":"many"}"#])
  func aClientThatReadsNothingKeepsNoOtherOneWaiting(_ request: String) async throws {
    try await Self.with { fixture in
      let silent = try await fixture.client(Self.silent)
      for stream in 0..<40 { await silent.send(open(UInt32(stream) * 2 + 1, request)) }
      try await silent.sync()
      let other = try await fixture.client()
      try await Self.stat(other)
      // A thread of the same kind is left for it, too.
      await other.send(open(3, #"{"op":"list","path":"big"}"#))
      #expect(try await other.result(3).contains(#""result":"ok""#))
      await other.send(
        open(5, #"{"op":"get","path":"many/small"}"#))
      #expect(try await other.result(5).contains(#""result":"ok""#))
    }
  }

  /// Though transfers hold all of their threads, none of which is left for a connection.
  @Test func smallRequestsNeverWaitForTransfers() async throws {
    try await Self.with { fixture in
      for _ in 0..<3 {
        let silent = try await fixture.client(Self.silent)
        for stream in 0..<4 { await silent.send(open(UInt32(stream) * 2 + 1, Self.get)) }
        try await silent.sync()
        try await Self.stat(silent, 9)
      }
      try await Self.stat(try await fixture.client())
    }
  }

  @Test func whatWaitsInLineStartsWhenAnotherOneHasFinished() async throws {
    try await Self.with { fixture in
      let client = try await fixture.client(Self.silent)
      for stream in [1, 3, 5] as [UInt32] { await client.send(open(stream, Self.get)) }
      try await client.frame(5, 1)
      try await client.frame(5, 3)
      try await client.sync()
      // CONTROL `opened` is what a worker says first.
      #expect(await client.frames.contains { $0.type == 5 && $0.stream == 5 } == false)
      await client.send(reset(1))
      try await client.frame(5, 5)
    }
  }

  @Test func whatWaitsInLineCanBeCanceledAndIsForgotten() async throws {
    try await Self.with { fixture in
      let client = try await fixture.client(Self.silent)
      for stream in [1, 3, 5, 7] as [UInt32] { await client.send(open(stream, Self.get)) }
      await client.send(control(5, #"{"cancel":true}"#), reset(7))
      #expect(try await client.result(5).contains("the client canceled"))
      await client.send(reset(1), reset(3), open(9, Self.get))
      try await client.frame(5, 9)
    }
  }

  /// A put that waited would take the credit of those that must go on before it.
  @Test func aPutTooManyIsRefusedAndWorksLater() async throws {
    try await Self.with { fixture in
      let client = try await fixture.client()
      for stream in [1, 3, 5] as [UInt32] {
        await client.send(open(stream, #"{"op":"put","path":"p\#(stream)"}"#, noInput: false))
      }
      let refusal = try await client.result(5)
      #expect(refusal.contains("refused") && refusal.contains("max_transfers_per_connection"))
      await client.send(control(1, #"{"cancel":true}"#))
      _ = try await client.result(1)
      await client.send(open(7, #"{"op":"put_tree","path":""}"#, noInput: false))
      await client.send(
        data(7, 5, Array("{\"complete\":true}\n".utf8), fin: true), data(7, 4, fin: true))
      #expect(try await client.result(7).contains("refused") == false)
    }
  }

  /// One that waited when its connection ended is over: a drain does not wait for it.
  @Test func aConnectionThatEndsTakesItsLineWithIt() async throws {
    try await Self.with { fixture in
      let client = try await fixture.client(Self.silent)
      for stream in 0..<10 { await client.send(open(UInt32(stream) * 2 + 1, Self.get)) }
      try await client.sync()
      await client.close()
      await fixture.server.drain()
    }
  }
}
