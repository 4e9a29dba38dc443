internal import TelpherFileStore
internal import TelpherTransport

/// The dialect `header`.
///
///     client:  the command
///     server:  +-------------+---------------------+----------------------------------------+
///              | length (4)  | a dictionary (JSON) | standard output, then standard error   |
///              +-------------+---------------------+----------------------------------------+
///
/// The length is the dictionary's, in the form of the dialect `length`. The dictionary contains the
/// number of bytes that follow it, of any size, as `data_size` and as `total_size` (tutorials
/// differ); a `filename`; and the `md5` of these bytes in hexadecimal digits. A client needs one of
/// the sizes. It checks the digest if the dictionary has one; the tutorials' servers send a
/// placeholder that is not 32 hexadecimal digits.
struct HeaderDialect: CollectedDialect {
  /// The value of `filename`. The tutorials' servers send one; no client uses it.
  private static let fileName = "output.txt"

  func send(_ answer: Answer, to client: PulledStream) async throws(ClassicError) {
    let dictionary = AnswerDictionary(
      dataSize: answer.count, totalSize: answer.count, filename: Self.fileName,
      md5: .digits(try await answer.md5()))
    let json = ClassicJSON.encode(dictionary)
    try await client.write(LengthPrefix.encode(Int64(json.count)) + json)
    try await answer.write(to: client)
  }

  /// Sends `command` and delivers the answer.
  ///
  /// - Throws: `ClassicError`: `damaged` if the answer does not match its digest, after all of it
  ///   was delivered.
  static func ask(
    _ command: [UInt8], on server: PulledStream, _ limits: ClassicLimits,
    notice: (String) -> Void, _ deliver: (Chunk) async throws -> Void
  ) async throws {
    try await server.write(command)
    guard let dictionary = try await AnswerDictionary.read(from: server, limits) else {
      throw ClassicError.endedBeforeAnswer
    }
    if case .placeholder(let text) = dictionary.digest {
      notice("the server's md5 \(text) is not a checksum; the answer is not checked")
    }
    var digest = FileHasher(.md5)
    try await server.deliver(try dictionary.size()) { chunk in
      if case .digits = dictionary.digest { digest = digest.updated(with: chunk) }
      try await deliver(chunk)
    }
    guard case .digits(let md5) = dictionary.digest, md5 != digest.digest else { return }
    throw ClassicError(
      .damaged, "the answer's md5 is \(digest.digest), but the server announced \(md5)")
  }
}

/// The dictionary that precedes an answer.
struct AnswerDictionary: Codable {
  var dataSize: Int64?
  var totalSize: Int64?
  var filename: String?
  var md5: MD5Field?

  /// The answer's digest, as far as the dictionary has one.
  var digest: MD5Field { md5 ?? .missing }

  private enum CodingKeys: String, CodingKey {
    case dataSize = "data_size"
    case totalSize = "total_size"
    case filename, md5
  }

  init(dataSize: Int64?, totalSize: Int64?, filename: String?, md5: MD5Field?) {
    self.dataSize = dataSize
    self.totalSize = totalSize
    self.filename = filename
    self.md5 = md5
  }

  /// A `filename` of any type is accepted, since it is not used.
  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    dataSize = try values.decodeIfPresent(Int64.self, forKey: .dataSize)
    totalSize = try values.decodeIfPresent(Int64.self, forKey: .totalSize)
    filename = try? values.decodeIfPresent(String.self, forKey: .filename)
    md5 = try values.decodeIfPresent(MD5Field.self, forKey: .md5)
  }

  /// The length of the answer in bytes.
  ///
  /// - Throws: `ClassicError` (`violation`) if the dictionary has no size, or a negative one.
  func size() throws(ClassicError) -> Int64 {
    guard let size = dataSize ?? totalSize, size >= 0 else {
      throw ClassicError(
        .violation, "the server's dictionary has neither a data_size nor a total_size")
    }
    return size
  }

  /// Reads a length and a dictionary. Nil if the peer ended its side before them.
  static func read(
    from stream: PulledStream, _ limits: ClassicLimits
  ) async throws(ClassicError) -> AnswerDictionary? {
    guard let length = try await LengthPrefix.read(from: stream) else { return nil }
    guard length <= limits.dictionaryBytes else {
      throw ClassicError(
        .violation,
        "a dictionary has at most \(limits.dictionaryBytes) bytes, not \(length)")
    }
    let what = "a dictionary"
    guard let json = try await stream.read(exactly: length, of: what), !json.isEmpty else {
      throw ClassicError(.lost, "the connection ended before \(what)")
    }
    return try ClassicJSON.decode(AnswerDictionary.self, from: json)
  }
}
