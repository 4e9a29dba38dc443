internal import Glibc
internal import TelpherTransport

/// Stores bytes until their number is known: in memory up to a limit, the rest in an unnamed file.
/// Without a name, the file disappears even if the server crashes.
final class Spool {
  /// The number of stored bytes.
  private(set) var count: Int64 = 0

  private let memoryLimit: Int
  private var pieces: [Chunk] = []
  private var inMemory = 0
  /// The bytes after those of `pieces`.
  private var file: SpoolFile?
  private var inFile: Int64 = 0

  /// The bytes of one read of the file.
  private static let readSize = 256 * 1024
  /// Shorter pieces are joined, since each piece has an allocation of its own.
  private static let gatheredSize = 16 * 1024

  init(memoryLimit: Int) {
    self.memoryLimit = memoryLimit
  }

  /// Creates a spool that contains `bytes`.
  convenience init(_ bytes: [UInt8]) {
    self.init(memoryLimit: .max)
    keep(Chunk(bytes))
  }

  /// Appends `chunk`.
  ///
  /// - Throws: `ClassicError` (`system`) if the file cannot be written.
  func append(_ chunk: Chunk) async throws(ClassicError) {
    if file == nil, inMemory + chunk.count <= memoryLimit { return keep(chunk) }
    let file: SpoolFile
    if let opened = self.file {
      file = opened
    } else {
      file = try await Blocking.run { () throws(ClassicError) in try SpoolFile() }
      self.file = file
    }
    let offset = inFile
    try await Blocking.run { () throws(ClassicError) in
      try file.write(chunk, at: offset)
    }
    inFile += Int64(chunk.count)
    count += Int64(chunk.count)
  }

  private func keep(_ chunk: Chunk) {
    if let last = pieces.last, last.count + chunk.count <= Self.gatheredSize {
      var gathered = [UInt8](last)
      gathered.append(contentsOf: chunk)
      pieces[pieces.count - 1] = Chunk(gathered)
    } else {
      pieces.append(chunk.compacted())
    }
    inMemory += chunk.count
    count += Int64(chunk.count)
  }

  /// Calls `body` with all bytes, in pieces.
  func forEach(
    _ body: (Chunk) async throws(ClassicError) -> Void
  ) async throws(ClassicError) {
    for piece in pieces { try await body(piece) }
    guard let file else { return }
    var offset: Int64 = 0
    while offset < inFile {
      let start = offset
      let length = Int(min(Int64(Self.readSize), inFile - start))
      let piece = try await Blocking.run { () throws(ClassicError) in
        try file.read(length, at: start)
      }
      try await body(piece)
      offset += Int64(piece.count)
    }
  }
}

/// A temporary file without a name. Its calls block.
private final class SpoolFile: Sendable {
  private let descriptor: Int32

  init() throws(ClassicError) {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    let path = "\(folder.isEmpty ? "/tmp" : folder)/telpher-\(UInt64.random(in: 0 ... .max))"
    descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Self.error("create the file \(path)") }
    unlink(path)
  }

  deinit {
    close(descriptor)
  }

  func write(_ chunk: Chunk, at start: Int64) throws(ClassicError) {
    var written = 0
    while written < chunk.count {
      let count = chunk.withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress! + written, $0.count - written, Int(start) + written)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Self.error("write it to a file") }
      written += count
    }
  }

  /// At least one of the `length` bytes from `start` on.
  func read(_ length: Int, at start: Int64) throws(ClassicError) -> Chunk {
    let chunk = try Chunk(capacity: length) { (memory) throws(ClassicError) in
      while true {
        let count = pread(descriptor, memory.baseAddress, memory.count, Int(start))
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw Self.error("read it from its file") }
        return count
      }
    }
    return chunk
  }

  private static func error(_ attempt: String) -> ClassicError {
    ClassicError(
      .system, "cannot store the output: cannot \(attempt): \(describe(errno: errno))")
  }
}
