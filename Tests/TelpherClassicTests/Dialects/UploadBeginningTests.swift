import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherClassic

/// The first byte of a dictionary, by which the server recognizes other protocols.
struct UploadBeginningTests {
  /// What a server reads from a client that sends `bytes`.
  private func read(_ bytes: [UInt8]) async throws -> UploadDictionary? {
    let loop = MemoryLoop(network: MemoryNetwork())
    let result: Result<UploadDictionary?, any Error>
    do {
      result = .success(try await Reader(loop: loop).read(bytes))
    } catch {
      result = .failure(error)
    }
    await loop.shutDown()
    return try result.get()
  }

  private actor Reader {
    nonisolated let loop: MemoryLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private var arrived: [any ByteStream] = []

    init(loop: MemoryLoop) { self.loop = loop }

    func read(_ bytes: [UInt8]) async throws -> UploadDictionary? {
      let socket = try loop.bind(to: .unix(path: "/upload"), backlog: 1)
      let listener = try loop.serve(socket) { [self] stream in
        nonisolated(unsafe) let stream = stream
        assumeIsolated { $0.arrived.append(stream) }
      }
      let client = PulledStream(try await loop.connect(to: .unix(path: "/upload")), aheadBytes: 0)
      try await client.write(bytes)
      while arrived.isEmpty { await Task.yield() }
      let server = PulledStream(arrived[0], aheadBytes: 4_096)
      defer {
        client.close()
        server.close()
        listener.close()
      }
      return try await UploadDictionary.read(from: server, ClassicLimits())
    }
  }

  private static let json = #"{"size": 5, "filename": "a"}"#

  @Test(arguments: ["", " ", "\t", "\n", "\r", "\r\n\t "])
  func anyWhitespaceMayPrecedeADictionary(_ whitespace: String) async throws {
    let text = Array((whitespace + Self.json).utf8)
    let dictionary = try await read(try LengthPrefix.encode(Int64(text.count)) + text)
    #expect(dictionary?.name == "a" && dictionary?.size == 5)
  }

  @Test func anotherBeginningIsRefused() async throws {
    let text = Array(("x" + Self.json).utf8)
    await #expect(throws: ClassicError.self) {
      try await read(try LengthPrefix.encode(Int64(text.count)) + text)
    }
  }
}
