internal import TelpherTransport
internal import TelpherWire

/// A file of a tree whose bytes are coming in.
struct IncomingFile {
  /// What happens to the bytes.
  enum State {
    /// They are written.
    case storing(PartialWriter)
    /// They are dropped, because the file has failed and the failure is in the ledger.
    case discarding(TransferLedger.FailureReceipt)
  }

  let number: Int
  let path: RelativePath
  let entry: FileEntry
  private(set) var state: State
  /// Where the next bytes of it belong.
  var position: Int64 = 0
  /// Bytes that came over the connection.
  var received: Int64 = 0

  init(number: Int, path: RelativePath, entry: FileEntry, state: State) {
    self.number = number
    self.path = path
    self.entry = entry
    self.state = state
  }

  /// What writes it; nil once it has failed.
  var writer: PartialWriter? {
    switch state {
    case .storing(let writer): writer
    case .discarding: nil
    }
  }

  /// It will not be stored: `receipt` shows that this was reported. What has come stays if a later
  /// transfer can go on behind it after `error`.
  mutating func discard(
    _ error: FileError, _ receipt: TransferLedger.FailureReceipt, _ options: TransferOptions
  ) {
    abandon(error, options)
    state = .discarding(receipt)
  }

  /// The stream is over while it comes in.
  func abandon(_ error: FileError, _ options: TransferOptions) {
    guard case .storing(let writer) = state else { return }
    if !error.leavesResumable(options, writer.partial) { writer.partial.discard() }
  }
}

/// A partial, and the digest of what it holds.
final class PartialWriter {
  let partial: Partial
  private(set) var hasher: FileHasher
  private let algorithm: DigestAlgorithm

  init(_ partial: Partial, _ algorithm: DigestAlgorithm) {
    self.partial = partial
    self.algorithm = algorithm
    hasher = FileHasher(algorithm)
  }

  /// Goes on at `start`: at 0 with nothing, else behind what an earlier transfer left.
  ///
  /// - Throws: `FileError` (`changed`) if that is not where the kept bytes end.
  func begin(at start: Int64, _ path: RelativePath) throws(FileError) {
    guard start > 0 else {
      guard partial.position > 0 else { return }
      hasher = FileHasher(algorithm)
      return try partial.restart()
    }
    guard start == partial.kept, start == partial.position else {
      throw FileError(
        .changed, "what was kept of '\(path)' has changed: try again", path: "\(path)")
    }
    try hasher.update(partial, length: start)
  }

  /// Writes `chunk` at the end.
  ///
  /// - Throws: as `Partial.write`.
  func write(_ chunk: Chunk) throws(FileError) {
    try chunk.withUnsafeBytes { (bytes) throws(FileError) in
      hasher.update(bytes)
      try partial.write(bytes)
    }
  }

  /// Leaves a hole of `count` bytes; `isOver` is asked between two parts of it and throws if the stream
  /// has ended. A hole is only a few bytes for its sender, and may be hours of hashing for its receiver.
  ///
  /// - Throws: what `isOver` throws.
  func skip(_ count: Int64, _ isOver: () throws(FileError) -> Void) throws(FileError) {
    partial.skip(count)
    var left = count
    while left > 0 {
      try isOver()
      let part = min(left, Self.hashedAtOnce)
      hasher.update(zeros: part)
      left -= part
    }
  }

  /// Zeros that are hashed between two looks whether the stream is over: some milliseconds.
  private static let hashedAtOnce: Int64 = 64 << 20
}
