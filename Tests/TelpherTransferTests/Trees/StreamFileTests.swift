import Glibc
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

/// Transfers of files from a pipe or to a pipe.
@Suite(.timeLimit(.minutes(1))) struct StreamFileTests {
  @Test func bytesOfAPipeAreStoredAsAFile() async throws {
    let sandbox = try Sandbox()
    let bytes = noise(700_000, seed: 1)
    let pipe = try Pipe()
    async let writing: Void = onThread { pipe.write(bytes) }
    let (sent, received) = await PortPair().run { (port) throws(FileError) in
      try StreamFile(pipe.reading, name: "standard input").send(on: port, digest: .sha256).count
    } _: { (port) throws(FileError) in
      var request = FileRequest(.put, PathText("file"))
      request.digest = "sha256"
      var receiver = FileReceiver(
        port: port,
        place: FilePlace(root: sandbox.root, path: RelativePath("file"), mustBeFolder: false),
        request: request)
      return try receiver.run().result
    }
    await writing
    #expect(try sent.get() == 700_000)
    #expect(try received.get() == .stored)
    #expect(TreeFixture.read(sandbox.inside("file")) == bytes)
  }

  @Test func fileIsWrittenToAPipe() async throws {
    let sandbox = try Sandbox()
    let text = String(repeating: "line\n", count: 50_000)
    try sandbox.write("file", text)
    let pipe = try Pipe()
    async let reading = onThread { pipe.read() }
    let (sent, received) = await PortPair().run { (port) throws(FileError) in
      var sender = FileSender(
        port: port,
        place: FilePlace(root: sandbox.root, path: RelativePath("file"), mustBeFolder: false),
        request: FileRequest(.get, PathText("file")))
      return try sender.run().digest
    } _: { (port) throws(FileError) in
      try StreamFile(pipe.writing, name: "standard output").receive(from: port, digest: .xxh128)
    }
    pipe.closeWriting()
    let read = await reading
    #expect(read == text.bytes)
    #expect(try received.get().digest == sent.get())
  }

  /// A pipe to which nothing is written does not keep the worker waiting.
  @Test func endOfTheStreamEndsTheWaitForAPipe() async throws {
    let pipe = try Pipe()
    let result = try await TransferPort.withBlockedSends { (port) throws(FileError) in
      _ = try StreamFile(pipe.reading, name: "standard input").send(on: port, digest: .xxh128)
    } meanwhile: { port in
      try await eventually("it has begun") {
        if case .finished = port.nextOutgoing(.index) { true } else { false }
      }
    }
    #expect(throws: FileError.self) { try result.get() }
  }
}

/// Runs a blocking `body` on a thread of its own, because tasks share few threads.
private func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
  await withCheckedContinuation { continuation in
    try! WorkerPool(limit: 1).run { continuation.resume(returning: body()) }
  }
}

/// A pipe that is closed with its owner.
private final class Pipe: @unchecked Sendable {
  let reading: Int32
  private(set) var writing: Int32

  init() throws {
    var ends: [Int32] = [-1, -1]
    try check(pipe(&ends), "pipe")
    (reading, writing) = (ends[0], ends[1])
  }

  deinit {
    close(reading)
    closeWriting()
  }

  func closeWriting() {
    if writing >= 0 { close(writing) }
    writing = -1
  }

  func write(_ bytes: [UInt8]) {
    var position = 0
    while position < bytes.count {
      position += bytes.withUnsafeBytes {
        Glibc.write(writing, $0.baseAddress! + position, bytes.count - position)
      }
    }
    closeWriting()
  }

  func read() -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let more = [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
        count = max(0, Glibc.read(reading, buffer.baseAddress, buffer.count))
      }
      if more.isEmpty { return bytes }
      bytes += more
    }
  }
}
