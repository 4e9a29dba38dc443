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

  /// Sends it.
  ///
  /// - Throws: `FileError`.
  mutating func run() throws(FileError) -> CloseResult {
    let file = try place.parentOfFile("read").openFile(place.path.name, followsLink: true)
    var offset = request.offset ?? 0
    let isPrefix =
      offset > file.status.size ? false : try matchesPrefix(of: file, length: offset)
    if !isPrefix {
      // What the client has is not this file's beginning.
      offset = 0
      hasher = FileHasher(options.digest)
    }
    var word = ControlMessage()
    word.opened = ControlMessage.Opened(
      size: file.status.size, mode: file.status.mode, mtimeNS: file.status.modifiedNS,
      offset: offset)
    port.send(word)
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

  /// Sends the bytes from `start` on; those of a file without a size to its end. Returns where it ended.
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
  /// Takes in bytes `range` of `file`.
  ///
  /// - Throws: `FileError` where they can't be read or are not there (any more).
  mutating func update(_ file: SourceFile, _ range: Range<Int64>)
    throws(FileError)
  {
    let isWhole = try update(range) { (buffer, offset) throws(FileError) in
      try file.read(into: buffer, at: offset)
    }
    if !isWhole { try file.checkUnchanged() }
  }

  /// Takes in the first `length` bytes of a partial.
  ///
  /// - Throws: `FileError` where they can't be read.
  mutating func update(_ partial: Partial, length: Int64)
    throws(FileError)
  {
    _ = try update(0..<length) { (buffer, offset) throws(FileError) in
      try partial.read(into: buffer, at: offset)
    }
  }

  /// Takes in what `read` brings; tells whether that was all of `range`.
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

  /// Takes in `count` zeros.
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

/// What a hole reads as.
private let zeros = [UInt8](repeating: 0, count: 64 * 1024)
