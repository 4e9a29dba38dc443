internal import TelpherTransport
internal import TelpherWire

/// A file of a tree that is being received.
struct IncomingFile {
  let number: Int
  let path: RelativePath
  let entry: FileEntry
  var hasher: FileHasher
  var partial: Partial?
  /// Why it can't be stored; what comes of it is then dropped.
  var fault: FileError?
  /// Where the next bytes of it belong.
  private var position: Int64 = 0
  /// Bytes that came over the connection.
  private(set) var received: Int64 = 0

  init(number: Int, path: RelativePath, entry: FileEntry, hasher: FileHasher) {
    self.number = number
    self.path = path
    self.entry = entry
    self.hasher = hasher
  }

  /// Takes in what a record tells of, its bytes included.
  ///
  /// - Throws: `FileError` where the stream is over. What befalls the file alone is its `fault`.
  mutating func take(
    _ record: TreeRecord, _ input: inout ByteInput, _ meter: TransferMeter?
  ) throws(FileError) {
    if let start = record.start {
      guard start >= 0 else { throw FileError(.protocolError, "a start at \(start)") }
      storing { (file) throws(FileError) in try file.begin(at: start) }
      if fault == nil {
        position = start
        meter?.update { $0.pass(start) }
      }
    }
    if let hole = record.hole { try skip(hole, input, meter) }
    guard var left = record.data else { return }
    guard left >= 0 else { throw FileError(.protocolError, "\(left) bytes of data") }
    while left > 0 {
      let chunk = try input.next(atMost: left)
      left -= Int64(chunk.count)
      received += Int64(chunk.count)
      position += Int64(chunk.count)
      meter?.update { $0.move(Int64(chunk.count)) }
      guard fault == nil else { continue }
      storing { (file) throws(FileError) in try file.write(chunk) }
    }
  }

  private mutating func skip(
    _ hole: Int64, _ input: ByteInput, _ meter: TransferMeter?
  ) throws(FileError) {
    guard hole >= 0, hole <= Self.longest - position else {
      throw FileError(.protocolError, "a hole of \(hole) bytes at \(position)")
    }
    position += hole
    meter?.update { $0.pass(hole) }
    guard fault == nil else { return }
    partial?.skip(hole)
    // It is but a few bytes for who sends it, and hours of hashing for who gets it: not for longer
    // than the connection stands.
    var left = hole
    while left > 0 {
      try input.checkOpen()
      let part = min(left, Self.hashedAtOnce)
      hasher.update(zeros: part)
      left -= part
    }
  }

  /// The longest file: an exabyte, so that no sum of a few is too large.
  private static let longest: Int64 = 1 << 60
  /// Zeros that are hashed between two looks whether the stream is over: some milliseconds.
  private static let hashedAtOnce: Int64 = 64 << 20

  private mutating func begin(at start: Int64) throws(FileError) {
    guard let partial, start > 0 else { return }
    guard start == partial.kept else {
      throw FileError(
        .changed, "what was kept of '\(path)' has changed: try again", path: "\(path)")
    }
    try hasher.update(partial, length: start)
  }

  private mutating func write(_ chunk: Chunk) throws(FileError) {
    try chunk.withUnsafeBytes { (bytes) throws(FileError) in
      hasher.update(bytes)
      try partial?.write(bytes)
    }
  }

  private mutating func storing(_ body: (inout IncomingFile) throws(FileError) -> Void) {
    do throws(FileError) { try body(&self) } catch { fault = error }
  }

  /// It will not be stored by this transfer.
  mutating func discard(_ options: TransferOptions) {
    if let partial, let fault, !fault.leavesResumable(options, partial) { partial.discard() }
    partial = nil
  }

  /// The stream is over in the midst of it.
  mutating func abandon(_ error: FileError, _ options: TransferOptions) {
    if fault == nil { fault = error }
    discard(options)
  }
}

/// The bytes of channel 4, taken in the portions that records tell of.
struct ByteInput {
  private let port: TransferPort
  private var rest: Chunk?

  init(port: TransferPort) { self.port = port }

  /// Makes sure that the stream is not over.
  ///
  /// - Throws: `FileError`, why it is.
  func checkOpen() throws(FileError) {
    if let end = port.monitor.withLock(\.end) { throw end }
  }

  /// The next bytes, at most `limit` of them and at least one.
  ///
  /// - Throws: `FileError` where none come any more.
  mutating func next(atMost limit: Int64) throws(FileError) -> Chunk {
    if rest == nil { rest = try port.receive(.file) }
    guard var chunk = rest else {
      throw FileError(.protocolError, "fewer bytes came than the records told of")
    }
    rest = nil
    guard Int64(chunk.count) > limit else { return chunk }
    let part = chunk.removePrefix(Int(limit))
    rest = chunk
    return part
  }
}
