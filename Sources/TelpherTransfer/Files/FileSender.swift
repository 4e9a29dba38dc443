internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

/// Sends one file: the server's side of `get` (docs/PROTOCOL.md, "get").
struct FileSender {
  let port: TransferPort
  let place: FilePlace
  let request: FileRequest
  private let options: TransferOptions
  private var hasher: FileHasher

  init(port: TransferPort, place: FilePlace, request: FileRequest) {
    self.port = port
    self.place = place
    self.request = request
    options = TransferOptions(request)
    hasher = FileHasher(options.digest)
  }

  /// Sends the file. Blocks; for a worker's thread.
  ///
  /// - Throws: `FileError` if it can't be read or changes meanwhile, or the stream is over.
  mutating func run() throws(FileError) -> CloseResult {
    let file = try place.parentOfFile("read").openFile(place.path.name, followsLink: true)
    var offset = request.offset ?? 0
    let isPrefix =
      offset > file.status.size ? false : try matchesPrefix(of: file, length: offset)
    if !isPrefix {
      // The client's bytes are not the beginning of this file.
      offset = 0
      hasher = FileHasher(options.digest)
    }
    port.send(
      .opened(
        .get(
          size: file.status.size, mode: file.status.mode, mtimeNS: file.status.modifiedNS,
          offset: offset)))
    let end = try send(file, from: offset)
    if !file.isOfNoSize(end) {
      _ = try file.change(since: (end, hasher.digest), options.digest) { () throws(FileError) in
        try port.waitForRoom()
      }
    }
    port.finish(.file)
    port.finish(.index)
    var result = CloseResult(.ok)
    result.digest = hasher.digest
    result.bytes = ["\(Channel.file.rawValue)": UInt64(end - offset)]
    return result
  }

  private mutating func matchesPrefix(of file: SourceFile, length: Int64) throws(FileError) -> Bool
  {
    try hasher.update(file, 0..<length)
    guard let digest = request.prefixDigest else { return true }
    return digest == hasher.digest
  }

  /// Sends the bytes from `start` to the file's size; if that is 0, to the end of the file. Returns
  /// the offset at which it ended.
  private mutating func send(_ file: SourceFile, from start: Int64) throws(FileError) -> Int64 {
    var position = start
    let size = file.status.size == 0 ? Int64.max : file.status.size
    while position < size {
      let buffer = ChunkStorage(capacity: ReadBuffer.readSize)
      let wanted = Int(min(Int64(buffer.capacity), size - position))
      let count = try file.read(
        into: UnsafeMutableRawBufferPointer(start: buffer.memory, count: wanted), at: position)
      guard count > 0 else {
        if file.status.size > 0 { try file.checkUnchanged() }
        return position
      }
      hasher.update(UnsafeRawBufferPointer(start: buffer.memory, count: count))
      port.enqueue(Chunk(storage: buffer, range: 0..<count), on: .file)
      try port.waitForRoom()
      position += Int64(count)
    }
    return position
  }
}

extension FileHasher {
  /// Adds the bytes `range` of `file`.
  ///
  /// - Throws: `FileError` if they can't be read, or the file has become shorter.
  mutating func update(_ file: SourceFile, _ range: Range<Int64>)
    throws(FileError)
  {
    let isWhole = try update(range) { (buffer, offset) throws(FileError) in
      try file.read(into: buffer, at: offset)
    }
    if !isWhole { try file.checkUnchanged() }
  }

  /// Adds the first `length` bytes of a partial file.
  ///
  /// - Throws: `FileError` if they can't be read.
  mutating func update(_ partial: Partial, length: Int64)
    throws(FileError)
  {
    _ = try update(0..<length) { (buffer, offset) throws(FileError) in
      try partial.read(into: buffer, at: offset)
    }
  }

  /// Adds the bytes `range` that `read` returns. Returns false if `read` reports the end before
  /// that.
  mutating func update(
    _ range: Range<Int64>,
    _ read: (UnsafeMutableRawBufferPointer, Int64) throws(FileError) -> Int
  ) throws(FileError) -> Bool {
    let buffer = ChunkStorage(capacity: ReadBuffer.readSize)
    var position = range.lowerBound
    while position < range.upperBound {
      let wanted = Int(min(Int64(buffer.capacity), range.upperBound - position))
      let count = try read(
        UnsafeMutableRawBufferPointer(start: buffer.memory, count: wanted), position)
      guard count > 0 else { return false }
      update(UnsafeRawBufferPointer(start: buffer.memory, count: count))
      position += Int64(count)
    }
    return true
  }

  /// Adds `count` zeros.
  mutating func update(zeros count: Int64) {
    var left = count
    zeros.withUnsafeBytes { bytes in
      while left > 0 {
        let part = min(left, Int64(bytes.count))
        update(UnsafeRawBufferPointer(rebasing: bytes[..<Int(part)]))
        left -= part
      }
    }
  }
}

/// The zeros that a hole reads as, for hashing.
private let zeros = [UInt8](repeating: 0, count: 64 * 1024)
