/// The description of a durable job: one line on channel 5 of the stream of a `jobs` request.
package struct JobRecord: Sendable, Equatable, Codable {
  /// The states of a job.
  package struct State: WireWord {
    /// The state's name on the wire.
    package let description: String
    /// The state with that name.
    package init(_ word: String) { description = word }

    /// The command is being started. Next: running, or no job.
    package static let starting = State("starting")
    /// The command runs. Next: finished, unknown.
    package static let running = State("running")
    /// The command has ended, and its result is known. Final.
    package static let finished = State("finished")
    /// The command's end was not seen. Final.
    package static let unknown = State("unknown")
  }

  /// The id: 32 hexadecimal digits.
  package var id: String
  /// The name, if it has one.
  package var name: String?
  /// Whether the command runs on a terminal.
  package var terminal: Bool?
  /// The state.
  package var state: State
  /// The command's words; cut if they are long.
  package var argv: [ByteText]
  /// When the job was made, in milliseconds since 1970.
  package var createdMS: Int64
  /// How long the job has run, or ran, in milliseconds; nil if that is not known.
  package var runMS: Int64?
  /// The process id while the command runs.
  package var pid: Int32?
  /// The bytes of output until now, by channel number; nil if they are not known.
  package var bytes: [String: UInt64]?
  /// How the command ended: as in CLOSE, without `bytes`.
  package var result: CloseResult?

  /// The longest line in bytes, including the newline: a record holds few and short values.
  package static let maxLength = 16 << 10
  /// The most bytes of `argv` in a record.
  package static let maxArgumentBytes = 1_024

  /// A record.
  package init(
    id: String, name: String? = nil, state: State, argv: [ByteText], createdMS: Int64
  ) {
    self.id = id
    self.name = name
    self.state = state
    self.argv = argv
    self.createdMS = createdMS
  }

  enum CodingKeys: String, CodingKey {
    case id, name, terminal, state, argv, pid, bytes, result
    case createdMS = "created_ms"
    case runMS = "run_ms"
  }

  /// The record as a line.
  package func encodedLine() -> [UInt8] {
    var bounded = self
    bounded.result?.message = result?.message?.cut(toUTF8: Self.maxArgumentBytes)
    return JSONCoding.encode(["job": bounded]) + [UInt8(ascii: "\n")]
  }

  /// Decodes whole lines, each with its newline.
  ///
  /// - Throws: `WireError` if a line is not such a record.
  package static func decode(lines: [UInt8]) throws(WireError) -> [JobRecord] {
    try JSONCoding.decodeLines(
      JobLine.self, from: lines, longest: maxLength, name: "a record of a job"
    ).map(\.job)
  }

  /// The command's words for a record, cut to `maxArgumentBytes`.
  package static func shortened(_ words: [ByteText]) -> [ByteText] {
    var room = maxArgumentBytes
    var short: [ByteText] = []
    for word in words {
      guard room > 0 else { break }
      let bytes = Array(word.bytes.prefix(room))
      // A cut within a character would turn a text into bytes.
      short.append(
        bytes.count == word.bytes.count
          ? word
          : ByteText(Array(String(decoding: word.bytes, as: UTF8.self).cut(toUTF8: room).utf8)))
      room -= bytes.count + 1
    }
    return short
  }
}

private struct JobLine: Decodable {
  let job: JobRecord
}
