/// What a server says about the output of a durable job: one line on channel 5 of a stream that is
/// attached to it, before the bytes that follow on channels 1 and 2.
package enum JobMark: Sendable, Equatable {
  /// Bytes are missing: the stream continues after them.
  case gap(Gap)
  /// These bytes were read from the command at this time.
  case time(Time)

  /// A range of an output that its journal does not have.
  package struct Gap: Sendable, Equatable, Codable {
    /// The number of the channel.
    package var channel: UInt8
    /// The offset of the first missing byte in the command's output.
    package var offset: UInt64
    /// The number of missing bytes.
    package var bytes: UInt64
    /// Why they are missing: `dropped` (the journal was full), `not_written` (the disk was full or
    /// failed), `discarded` (the job was ended while its journal was full), or `damaged`.
    package var reason: String

    /// A gap.
    package init(channel: UInt8, offset: UInt64, bytes: UInt64, reason: String) {
      self.channel = channel
      self.offset = offset
      self.bytes = bytes
      self.reason = reason
    }
  }

  /// When a range of an output was read from the command.
  package struct Time: Sendable, Equatable, Codable {
    /// The number of the channel.
    package var channel: UInt8
    /// The offset of the first byte in the command's output.
    package var offset: UInt64
    /// The number of bytes.
    package var bytes: UInt64
    /// Nanoseconds since 1970.
    package var timeNS: Int64

    /// A time.
    package init(channel: UInt8, offset: UInt64, bytes: UInt64, timeNS: Int64) {
      self.channel = channel
      self.offset = offset
      self.bytes = bytes
      self.timeNS = timeNS
    }

    enum CodingKeys: String, CodingKey {
      case channel, offset, bytes
      case timeNS = "time_ns"
    }
  }

  /// The longest line in bytes, including the newline: a line holds a few numbers.
  package static let maxLength = 1_024

  /// The mark as a line.
  package func encodedLine() -> [UInt8] { JSONCoding.encode(self) + [UInt8(ascii: "\n")] }

  /// Decodes whole lines, each with its newline. Lines of other kinds are skipped.
  ///
  /// - Throws: `WireError` if a line is not a JSON object of this shape.
  package static func decode(lines: [UInt8]) throws(WireError) -> [JobMark] {
    try JSONCoding.decodeLines(
      Line.self, from: lines, longest: maxLength, name: "a mark of a job's output"
    ).compactMap(\.mark)
  }

  private struct Line: Decodable {
    let mark: JobMark?

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      let gap = try container.decodeIfPresent(Gap.self, forKey: .gap).map(JobMark.gap)
      mark = try gap ?? container.decodeIfPresent(Time.self, forKey: .time).map(JobMark.time)
    }
  }
}

extension JobMark: Encodable {
  private enum CodingKeys: String, CodingKey {
    case gap
    case time = "at"
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .gap(let gap): try container.encode(gap, forKey: .gap)
    case .time(let time): try container.encode(time, forKey: .time)
    }
  }
}
