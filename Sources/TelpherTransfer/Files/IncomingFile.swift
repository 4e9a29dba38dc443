internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

/// A file of a tree that is being received: it writes the bytes to a partial file and computes
/// their digest.
struct IncomingFile {
  /// What happens to received bytes.
  enum State {
    /// They are written to the partial file.
    case storing(Partial)
    /// They are dropped, because the file has failed and the ledger has the failure.
    case discarding(TransferLedger.FailureReceipt)
  }

  let number: Int
  let path: RelativePath
  let entry: FileEntry
  private(set) var state: State
  /// The offset of the next bytes.
  var position: Int64 = 0
  /// The bytes that arrived over the connection.
  var received: Int64 = 0
  private let algorithm: DigestAlgorithm
  /// It has taken the bytes of the partial file.
  private var hasher: FileHasher

  init(
    number: Int, path: RelativePath, entry: FileEntry, state: State, _ algorithm: DigestAlgorithm
  ) {
    self.number = number
    self.path = path
    self.entry = entry
    self.state = state
    self.algorithm = algorithm
    hasher = FileHasher(algorithm)
  }

  /// The partial file; nil if the file has failed.
  var partial: Partial? {
    switch state {
    case .storing(let partial): partial
    case .discarding: nil
    }
  }

  /// The digest of the bytes of the partial file.
  var digest: String { hasher.digest }

  /// Begins at the offset `start`. 0 drops all bytes; another offset must be the end of the bytes
  /// that an earlier transfer left.
  ///
  /// - Throws: `FileError` (`changed`) if it is not.
  mutating func begin(at start: Int64) throws(FileError) {
    guard let partial else { return }
    guard start > 0 else {
      guard partial.position > 0 else { return }
      hasher = FileHasher(algorithm)
      return try partial.restart()
    }
    guard start == partial.kept, start == partial.position else {
      throw FileError(
        .changed, "the partial file of '\(path)' has changed: try again", path: "\(path)")
    }
    try hasher.update(partial, length: start)
  }

  /// Writes `chunk` at the end of the partial file.
  ///
  /// - Throws: as `Partial.write`.
  mutating func write(_ chunk: Chunk) throws(FileError) {
    guard let partial else { return }
    try chunk.withUnsafeBytes { (bytes) throws(FileError) in
      hasher.update(bytes)
      try partial.write(bytes)
    }
  }

  /// Leaves a hole of `count` bytes and hashes its zeros. Calls `checkOpen` after every 64 MiB,
  /// which throws if the stream has ended: a sender can announce a hole that takes hours to hash.
  ///
  /// - Throws: what `checkOpen` throws.
  mutating func skip(_ count: Int64, _ checkOpen: () throws(FileError) -> Void) throws(FileError) {
    guard let partial else { return }
    partial.skip(count)
    var left = count
    while left > 0 {
      try checkOpen()
      let part = min(left, Self.hashedAtOnce)
      hasher.update(zeros: part)
      left -= part
    }
  }

  /// The zeros that are hashed between two calls of `checkOpen`; this takes some milliseconds.
  private static let hashedAtOnce: Int64 = 64 << 20

  /// Stops storing the file. `receipt` proves that the failure is in the ledger. The received bytes
  /// are kept if a later transfer can resume after `error`.
  mutating func discard(
    _ error: FileError, _ receipt: TransferLedger.FailureReceipt, _ options: TransferOptions
  ) {
    abandon(error, options)
    state = .discarding(receipt)
  }

  /// The stream has ended while the file was being received.
  func abandon(_ error: FileError, _ options: TransferOptions) {
    guard let partial, !error.leavesResumable(options, partial) else { return }
    partial.discard()
  }
}
