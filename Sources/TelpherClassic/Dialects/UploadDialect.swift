internal import TelpherFileStore
internal import TelpherTransport

/// The dialect `upload`.
///
///     client:  +-------------+---------------------+------------------+  the same for each further
///              | length (4)  | a dictionary (JSON) | the file's bytes |  file
///              +-------------+---------------------+------------------+
///     server:  nothing until the client ends its side; then a line for each file, `stored NAME` or
///              `failed NAME: REASON`
///
/// The length is the dictionary's, in the form of the dialect `length`. The dictionary contains the
/// size of the file in bytes, as `size` or `file_size`; its name, as `filename` or `file_name`; and
/// optionally its `md5` in hexadecimal digits. Only the part of the name after the last `/` or `\`
/// counts.
///
/// The tutorials' clients read nothing. If the server sent a line at once, a client that closes the
/// connection with the line unread would reset it, and files on the way would be lost. So the
/// server sends nothing until the client has ended its side. Telpher's client then waits for the
/// lines; the tutorials' clients have closed the connection.
///
/// The server does not replace a file, and refuses names that begin with a dot, since shells and
/// other programs run such files. With `overwrites` it replaces files and accepts such names.
struct UploadDialect {
  let folder: Folder
  let overwrites: Bool
  let limits: ClassicLimits

  /// Opens the folder that files are stored in.
  ///
  /// - Throws: `ClassicError` (`system`) if it cannot be opened.
  init(root: String, overwrites: Bool, limits: ClassicLimits) throws(ClassicError) {
    do throws(FileError) {
      folder = try Root(root).folder(.root)
    } catch {
      throw ClassicError(error)
    }
    self.overwrites = overwrites
    self.limits = limits
  }

  /// Stores a client's files until the client ends its side.
  ///
  /// - Parameter report: called after each file with its line, and whether the file was stored.
  /// - Throws: `ClassicError` if the client is gone or breaks the rules of the dialect.
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

  /// Stores one file. It reads all of the file's bytes even if storing fails, since another file
  /// may follow.
  ///
  /// - Returns: the file's name.
  /// - Throws: `ClassicError`: `lost` if the client is gone. Any other error concerns only this
  ///   file.
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

/// The dictionary that precedes a file, as the server reads it.
struct UploadDictionary: Sendable, Equatable {
  /// The last part of the file's name.
  let name: String
  /// The size of the file in bytes.
  let size: Int64
  /// The MD5 of the file.
  let md5: MD5Field

  /// All keys of a dictionary.
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

  /// Parses the dictionary `json`.
  ///
  /// - Throws: `ClassicError` (`violation`, `limit`) if it has no usable size or name. The
  ///   connection cannot continue then, since the server does not know how many bytes follow.
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

  /// The dictionary of a file. It has every key that servers look for.
  static func json(name: String, size: Int64, md5: String) -> [UInt8] {
    ClassicJSON.encode(
      Keys(size: size, fileSize: size, filename: name, fileName: name, md5: .digits(md5)))
  }

  /// Reads a length and a dictionary. Nil if the client ended its side before them.
  static func read(
    from stream: PulledStream, _ limits: ClassicLimits
  ) async throws(ClassicError) -> UploadDictionary? {
    let count = LengthPrefix.size
    guard let prefix = try await stream.read(exactly: count, of: "a length") else { return nil }
    guard let length = try? LengthPrefix.decode(prefix), length > 0,
      length <= limits.dictionaryBytes
    else { throw foreign(prefix) }
    // The first byte shows that the bytes are not a dictionary, before the server waits for the
    // rest.
    guard let first = try await stream.read(exactly: 1, of: "a dictionary") else {
      throw ClassicError(.lost, "the connection ended before a dictionary")
    }
    guard beginsObject(first[0]) else { throw foreign(prefix + first) }
    let rest = try await stream.read(exactly: length - 1, of: "a dictionary") ?? []
    return try UploadDictionary(parsing: first + rest, limits)
  }

  /// Whether a JSON object may begin with `byte`: with its brace or the whitespace before it
  /// (RFC 8259, section 2).
  private static func beginsObject(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "{"), UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"),
      UInt8(ascii: "\r"):
      true
    default: false
    }
  }

  /// The error for bytes that are not a length and a dictionary.
  private static func foreign(_ bytes: [UInt8]) -> ClassicError {
    var firstBytes = FirstBytes()
    switch firstBytes.receive(bytes) {
    case .foreign(let name): return .foreign(name)
    case .client, .unclear:
      return ClassicError(
        .violation,
        "the bytes before a file are not a length and a dictionary; the client may speak HTTP")
    }
  }
}

extension ClassicError {
  /// A failed operation on a file.
  init(_ error: FileError) { self.init(.system, error.message) }
}
