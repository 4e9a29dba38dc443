import Synchronization
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

/// The bytes that arrived before a lost connection are kept at every step of the receiver, so that
/// a later transfer can resume after them.
@Suite(.timeLimit(.minutes(1))) struct LostConnectionTests {
  private static let size = 500_000
  private static let came = noise(300_000, seed: 4)

  /// Makes a port. Calls `body` once, when the port's worker first sends on channel 5 or ends it.
  /// The call is on the worker's thread, before the worker's own call returns.
  private final class Peer: Sendable {
    private let isDone = Mutex(false)
    private let ports = Mutex<TransferPort?>(nil)

    init(atFirstAnswer body: @escaping @Sendable (TransferPort) -> Void) {
      let made = TransferPort { [unowned self] in
        _ = port.takeChanges()
        let answers =
          switch port.nextOutgoing(.index) {
          case .chunk, .finished: true
          case .nothing: false
          }
        let isFirst = isDone.withLock { isDone in
          defer { isDone = isDone || answers }
          return answers && !isDone
        }
        if isFirst { body(port) }
      }
      ports.withLock { $0 = made }
    }

    var port: TransferPort { ports.withLock { $0! } }
  }

  @Test func treeKeepsBytesThatArrivedBeforeTheEnd() throws {
    let sandbox = try Sandbox()
    let peer = Peer { port in
      let data = TreeRecord.file(FilePart(0, data: Int64(Self.size)))
      port.deliver(Chunk(data.encoded()), on: .index)
      port.deliver(Chunk(Self.came), on: .file)
      port.end(FileError(.lost, "cut"))
    }
    var entry = FileEntry(path: PathText("file".bytes), kind: .file)
    entry.size = Int64(Self.size)
    peer.port.deliver(Chunk(TreeRecord.entry(entry).encoded()), on: .index)
    var receiver = try TreeReceiver(
      port: peer.port, root: sandbox.root, base: .root, options: TransferOptions())
    #expect(code { try receiver.run() } == .lost)
    try expectKept(sandbox)
  }

  @Test func fileKeepsBytesThatArrivedBeforeTheEnd() throws {
    let sandbox = try Sandbox()
    let peer = Peer { port in
      port.deliver(Chunk(Self.came), on: .file)
      port.end(FileError(.lost, "cut"))
    }
    var request = FileRequest(.put, PathText("file".bytes))
    request.size = Int64(Self.size)
    let place = FilePlace(root: sandbox.root, path: "file", mustBeFolder: false)
    var receiver = FileReceiver(port: peer.port, place: place, request: request)
    #expect(code { _ = try receiver.run() } == .lost)
    try expectKept(sandbox)
  }

  private func expectKept(_ sandbox: Sandbox) throws {
    let partial = try Partial.open(for: "file".bytes, in: sandbox.top(), keeping: true)
    #expect(partial.kept == Int64(Self.came.count))
  }
}
