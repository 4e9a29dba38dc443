import Synchronization
import TelpherTransport
import TelpherWire

@testable import TelpherFileStore
@testable import TelpherTransfer

/// Two ports that are each other's peer, with optional faults between them.
final class PortPair: Sendable {
  /// Faults on the way from the first port to the second.
  struct Faults: Sendable {
    /// The maximum length of a chunk, in bytes.
    var piece = Int.max
    /// The connection breaks after this many bytes.
    var cutAfter: Int?
    /// One bit of the byte at this offset of channel 4 is flipped.
    var flip: Int?
    /// Called for each chunk of channel 4 on the first port's thread, before the chunk is
    /// delivered. The argument is the number of bytes so far, including this chunk.
    var onFileBytes: (@Sendable (Int) -> Void)?
  }

  private let ports = Mutex<(TransferPort?, TransferPort?)>((nil, nil))
  private let sent = Mutex<(total: Int, file: Int)>((0, 0))
  private let faults: Faults

  var first: TransferPort { ports.withLock { $0.0! } }
  var second: TransferPort { ports.withLock { $0.1! } }
  /// The bytes that went from the first port to the second.
  var sentBytes: Int { sent.withLock { $0.total } }

  init(_ faults: Faults = Faults()) {
    self.faults = faults
    let first = TransferPort { [unowned self] in
      carry(from: self.first, to: self.second, isFirst: true)
    }
    let second = TransferPort { [unowned self] in
      carry(from: self.second, to: self.first, isFirst: false)
    }
    ports.withLock { $0 = (first, second) }
  }

  private func carry(from: TransferPort, to: TransferPort, isFirst: Bool) {
    for message in from.takeChanges().messages { try? to.deliver([message]) }
    for channel in [Channel.index, .file] { carry(channel, from: from, to: to, isFirst: isFirst) }
  }

  private func carry(
    _ channel: Channel, from: TransferPort, to: TransferPort, isFirst: Bool
  ) {
    while true {
      switch from.nextOutgoing(channel) {
      case .chunk(let chunk, _): deliver(chunk, channel, to, isFirst)
      case .finished:
        if !isCut { to.deliverEnd(of: channel) }
        return
      case .nothing: return
      }
    }
  }

  private var isCut: Bool { faults.cutAfter.map { sentBytes >= $0 } ?? false }

  private func deliver(_ chunk: Chunk, _ channel: Channel, _ to: TransferPort, _ isFirst: Bool) {
    var rest = chunk
    while !rest.isEmpty {
      var piece = rest.removePrefix(min(rest.count, faults.piece))
      if isFirst {
        let (total, file) = sent.withLock { sent in
          defer {
            sent.total += piece.count
            if channel == .file { sent.file += piece.count }
          }
          return sent
        }
        if let cut = faults.cutAfter, total + piece.count > cut {
          piece = piece.slice(0..<max(0, cut - total))
          to.deliver(piece, on: channel)
          sent.withLock { $0.total = cut }
          return breakOff()
        }
        if channel == .file { faults.onFileBytes?(file + piece.count) }
        if channel == .file, let flip = faults.flip, file <= flip, flip < file + piece.count {
          var bytes = [UInt8](piece)
          bytes[flip - file] ^= 0x10
          piece = Chunk(bytes)
        }
      }
      // Copy the bytes, since the sender may reuse its memory.
      to.deliver(Chunk([UInt8](piece)), on: channel)
    }
  }

  private func breakOff() {
    first.end(FileError(.lost, "cut"))
    second.end(FileError(.lost, "cut"))
  }

  /// Runs both bodies at once, each on a thread with its port.
  func run<A: Sendable, B: Sendable>(
    _ sender: @escaping @Sendable (TransferPort) throws(FileError) -> A,
    _ receiver: @escaping @Sendable (TransferPort) throws(FileError) -> B
  ) async -> (Result<A, FileError>, Result<B, FileError>) {
    let pool = WorkerPool(limit: 2)
    async let a = Self.start(pool, first, second, sender)
    async let b = Self.start(pool, second, first, receiver)
    return await (a, b)
  }

  private static func start<Value: Sendable>(
    _ pool: WorkerPool, _ port: TransferPort, _ peer: TransferPort,
    _ body: @escaping @Sendable (TransferPort) throws(FileError) -> Value
  ) async -> Result<Value, FileError> {
    await withCheckedContinuation { continuation in
      try! pool.run {
        do throws(FileError) {
          continuation.resume(returning: .success(try body(port)))
        } catch {
          // End the peer's stream too, as a CLOSE or a cancel would.
          peer.end(FileError(.lost, "the other end failed: \(error.message)"))
          continuation.resume(returning: .failure(error))
        }
      }
    }
  }
}
