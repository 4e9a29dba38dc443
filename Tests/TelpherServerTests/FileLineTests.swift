import Glibc
import TelpherFileStore
import TelpherServer
import TelpherTestSupport
import TelpherTransfer
import TelpherTransport
import Testing

/// The queues of file requests: no client waits for threads that another client uses.
@Suite(.timeLimit(.minutes(15))) struct FileLineTests {
  /// The size of a file that is too large for a worker to queue as a whole, in bytes.
  private static let size = 8 << 20
  private static let silent = #"{"version":1,"window":0}"#
  private static let get = #"{"op":"get","path":"big"}"#

  /// Runs `body` with a server of few threads, a file `big`, and a folder `many` with many entries.
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
    // A listing that is longer than a worker queues, which is at most 4 reads of 256 KiB.
    close(creat("\(folder)/many/small", 0o644))
    for number in 0..<1_500 {
      symlink(String(repeating: "y", count: 1_000), "\(folder)/many/\(number)")
    }
    let result: Result<Void, any Error>
    do {
      try await Fixture.inMemory { configuration in
        configuration.files = FileService(root: root)
        configuration.maxFileWorkers = 4
        configuration.reservedTransfersPerConnection = 0
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
  func aClientThatDoesNotReadDoesNotDelayOthers(_ request: String) async throws {
    try await Self.with { fixture in
      let silent = try await fixture.client(Self.silent)
      for stream in 0..<40 { await silent.send(open(UInt32(stream) * 2 + 1, request)) }
      try await silent.sync()
      let other = try await fixture.client()
      try await Self.stat(other)
      // A thread for requests of the same kind is free too.
      await other.send(open(3, #"{"op":"list","path":"big"}"#))
      #expect(try await other.result(3).contains(#""result":"ok""#))
      await other.send(
        open(5, #"{"op":"get","path":"many/small"}"#))
      #expect(try await other.result(5).contains(#""result":"ok""#))
    }
  }

  /// The transfers use all threads of their pool.
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

  /// Silent connections use all threads of the pool; another connection has threads of its own.
  @Test func transfersNeverWaitForThoseOfManyOtherConnections() async throws {
    try await Self.with {
      $0.maxFileWorkers = 4
      $0.reservedTransfersPerConnection = 1
    } _: { fixture in
      for _ in 0..<8 {
        let silent = try await fixture.client(Self.silent)
        for stream in 0..<4 { await silent.send(open(UInt32(stream) * 2 + 1, Self.get)) }
        try await silent.sync()
      }
      let other = try await fixture.client()
      await other.send(open(1, #"{"op":"get","path":"many/small"}"#))
      #expect(try await other.result(1).contains(#""result":"ok""#))
    }
  }

  @Test func aWaitingRequestStartsWhenAnotherHasFinished() async throws {
    try await Self.with { fixture in
      let client = try await fixture.client(Self.silent)
      for stream in [1, 3, 5] as [UInt32] { await client.send(open(stream, Self.get)) }
      try await client.frame(5, 1)
      try await client.frame(5, 3)
      try await client.sync()
      // A worker first sends CONTROL `opened`.
      #expect(await client.frames.contains { $0.type == 5 && $0.stream == 5 } == false)
      await client.send(reset(1))
      try await client.frame(5, 5)
    }
  }

  @Test func aWaitingRequestCanBeCanceledOrReset() async throws {
    try await Self.with { fixture in
      let client = try await fixture.client(Self.silent)
      for stream in [1, 3, 5, 7] as [UInt32] { await client.send(open(stream, Self.get)) }
      await client.send(control(5, #"{"cancel":true}"#), reset(7))
      #expect(try await client.result(5).contains("the client canceled"))
      await client.send(reset(1), reset(3), open(9, Self.get))
      try await client.frame(5, 9)
    }
  }

  /// A waiting put would use up the credit that the running ones need.
  @Test func aPutPastTheLimitIsRefusedAndWorksLater() async throws {
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

  /// A drain does not wait for requests that were waiting when their connection ended.
  @Test func waitingRequestsEndWithTheirConnection() async throws {
    try await Self.with { fixture in
      let client = try await fixture.client(Self.silent)
      for stream in 0..<10 { await client.send(open(UInt32(stream) * 2 + 1, Self.get)) }
      try await client.sync()
      await client.close()
      await fixture.server.drain()
    }
  }
}
