internal import TelpherFiles
internal import TelpherTransport

/// `upload`
///
///     client:  +-------------+---------------------+------------------+  and so on, file after file
///              | length (4)  | a dictionary (JSON) | the file's bytes |
///              +-------------+---------------------+------------------+
///     server:  nothing, until the client ends its side; then a line a file, `stored NAME` or
///              `failed NAME: REASON`
///
/// The length is that of the dictionary, as in `length`. The dictionary has the number of bytes,
/// `size` or `file_size`; the name, `filename` or `file_name`, of which what is behind the last `/`
/// or `\` counts; and perhaps the `md5` in hexadecimal digits.
///
/// The tutorials' clients read nothing, and bytes that nobody read would have their close reset the
/// connection, with files that are still on the way. So the server is silent until nothing more
/// comes: Telpher's client waits for its lines, and the others are gone by then.
///
/// A file is stored under a name that is free. Without `overwrites` a name that begins with a dot is
/// refused, since shells and other programs read such files and run what is in them.
struct UploadDialect {
  let folder: Folder
  let overwrites: Bool
  let limits: ClassicLimits

  /// Opens the folder that files go to.
  ///
  /// - Throws: `ClassicError` (`system`) where that can't be done.
  init(root: String, overwrites: Bool, limits: ClassicLimits) throws(ClassicError) {
    do throws(FileError) {
      folder = try Root(root).folder(.root)
    } catch {
      throw ClassicError(error)
    }
    self.overwrites = overwrites
    self.limits = limits
  }

  /// Takes a client's files until it ends.
  ///
  /// - Parameter report: told of each file: its line, and whether it was stored.
  func serve(
    _ client: PulledStream, report: (String, Bool) -> Void
  ) async throws(ClassicError) {
    var lines = ""
    while let dictionary = try await UploadDictionary.read(from: client, limits) {
      var line: String
      do throws(ClassicError) {
        line = "stored \(try await store(dictionary, from: client))"
        report(line, true)
      } catch {
        if error.code == .lost { throw error }
        line = "failed \(dictionary.name.debugDescription): \(error.message)"
        report(line, false)
      }
      if lines.utf8.count < limits.dictionaryBytes { lines += line + "\n" }
    }
    try await client.write(lines)
  }

  /// Stores one file, and takes all its bytes even where that fails: another one may follow.
  ///
  /// - Returns: its name.
  /// - Throws: `ClassicError`: `lost` where the client is gone; any other is this file's alone.
  private func store(
    _ dictionary: UploadDictionary, from client: PulledStream
  ) async throws(ClassicError) -> String {
    var left = dictionary.size
    var file: UploadedFile?
    var failure: ClassicError?
    func attempt(_ body: () async throws(ClassicError) -> Void) async {
      guard failure == nil else { return }
      do throws(ClassicError) { try await body() } catch { failure = error }
    }
    await attempt { () throws(ClassicError) in
      let (name, folder, overwrites) = (dictionary.name, folder, overwrites)
      file = try await Blocking.run { () throws(ClassicError) in
        try UploadedFile(name, in: folder, overwrites: overwrites)
      }
    }
    do throws(ClassicError) {
      while left > 0 {
        guard let chunk = try await client.read(upTo: Int(clamping: left)) else {
          throw ClassicError(.lost, "the connection ended in the middle of a file")
        }
        left -= Int64(chunk.count)
        await attempt { () throws(ClassicError) in
          guard let file else { return }
          try await Blocking.run { () throws(ClassicError) in try file.write(chunk) }
        }
      }
    } catch {
      if let file { try await Blocking.run { () throws(ClassicError) in file.discard() } }
      throw error
    }
    await attempt { () throws(ClassicError) in
      guard let file else { return }
      try await Blocking.run { () throws(ClassicError) in try file.commit(md5: dictionary.md5) }
    }
    guard let failure else { return dictionary.name }
    if let file { try await Blocking.run { () throws(ClassicError) in file.discard() } }
    throw failure
  }
}

/// The dictionary before a file, as a server understands it.
struct UploadDictionary: Sendable, Equatable {
  /// The file's own name.
  let name: String
  /// The number of its bytes.
  let size: Int64
  /// Their MD5.
  let md5: MD5Field

  /// All keys that a dictionary may have.
  private struct Keys: Codable {
    var size: Int64?
    var fileSize: Int64?
    var filename: String?
    var fileName: String?
    var md5: MD5Field?

    enum CodingKeys: String, CodingKey {
      case size, filename, md5
      case fileSize = "file_size"
      case fileName = "file_name"
    }
  }

  /// Reads the dictionary `json`.
  ///
  /// - Throws: `ClassicError` (`violation`, `limit`) where nobody could tell what follows it.
  init(parsing json: [UInt8], _ limits: ClassicLimits) throws(ClassicError) {
    let keys = try ClassicJSON.decode(Keys.self, from: json)
    guard let size = keys.size ?? keys.fileSize, size >= 0 else {
      throw ClassicError(.violation, "the dictionary has neither a size nor a file_size")
    }
    guard size <= limits.fileBytes else {
      throw ClassicError(.limit, "a file has at most \(limits.fileBytes) bytes, not \(size)")
    }
    guard let path = keys.filename ?? keys.fileName else {
      throw ClassicError(.violation, "the dictionary has neither a filename nor a file_name")
    }
    self.size = size
    name =
      path.lastIndex { $0 == "/" || $0 == "\\" }
      .map { String(path[path.index(after: $0)...]) } ?? path
    md5 = keys.md5 ?? .missing
  }

  /// Writes the dictionary of a file under all names that servers look for.
  static func json(name: String, size: Int64, md5: String) -> [UInt8] {
    ClassicJSON.encode(
      Keys(size: size, fileSize: size, filename: name, fileName: name, md5: .digits(md5)))
  }

  /// Reads a length and a dictionary; nil where the client has ended its side instead.
  static func read(
    from stream: PulledStream, _ limits: ClassicLimits
  ) async throws(ClassicError) -> UploadDictionary? {
    let count = LengthPrefix.size
    guard let prefix = try await stream.read(exactly: count, of: "a length") else { return nil }
    guard let length = try? LengthPrefix.decode(prefix), length > 0,
      length <= limits.dictionaryBytes
    else { throw foreign(prefix) }
    // The first byte shows what is no dictionary, before the rest is waited for.
    guard let first = try await stream.read(exactly: 1, of: "a dictionary") else {
      throw ClassicError(.lost, "the connection ended before a dictionary")
    }
    let begins: Set<UInt8> = [UInt8(ascii: "{"), UInt8(ascii: " "), UInt8(ascii: "\n")]
    guard begins.contains(first[0]) else { throw foreign(prefix + first) }
    let rest = try await stream.read(exactly: length - 1, of: "a dictionary") ?? []
    return try UploadDictionary(parsing: first + rest, limits)
  }

  /// What a client meets whose bytes are no length and no dictionary.
  private static func foreign(_ bytes: [UInt8]) -> ClassicError {
    var firstBytes = FirstBytes()
    switch firstBytes.receive(bytes) {
    case .foreign(let name): return .foreign(name)
    case .client, .unclear:
      return ClassicError(
        .violation,
        "the bytes before a file are no length and no dictionary, but perhaps those of HTTP")
    }
  }
}

extension ClassicError {
  /// What could not be done with a file.
  init(_ error: FileError) { self.init(.system, error.message) }
}
