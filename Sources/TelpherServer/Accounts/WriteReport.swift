internal import TelpherFileStore
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

/// How a process that acts as another user reports the paths that a `put` writes: each absolute path and
/// a zero byte, on a channel that has no other use in such a stream. The server takes it out of the
/// stream.
struct WriteReport {
  /// The channel.
  static let channel = Channel.stdout
  /// The longest path in bytes: PATH_MAX of <linux/limits.h> for the folder, and a name in it.
  private static let longestPath = 4_096 + 256
  /// The most paths of one record: see `CommitGroup.mostFiles`.
  private static let mostPaths = 64

  /// The path that has arrived in part.
  private var rest: [UInt8] = []

  /// Reports paths over `port`, and waits while much of the report is not sent yet.
  static func recorder(over port: TransferPort) -> WriteRecorder {
    { (paths) throws(FileError) in
      // A stream that has ended takes no report: nothing is written then.
      try port.waitForRoom()
      port.enqueue(Chunk(paths.flatMap { $0 + [0] }), on: channel)
    }
  }

  /// Takes the next bytes of a report.
  ///
  /// - Returns: the paths that are complete now, in parts for one record each.
  /// - Throws: `FileError` (`protocolError`) if one is too long to be a path.
  mutating func receive(_ chunk: Chunk) throws(FileError) -> [[[UInt8]]] {
    var lines = (rest + Array(chunk)).split(separator: 0, omittingEmptySubsequences: false)
    rest = lines.popLast().map(Array.init) ?? []
    guard lines.allSatisfy({ $0.count <= Self.longestPath }), rest.count <= Self.longestPath else {
      throw FileError(.protocolError, "a path in the report of written files is too long")
    }
    return stride(from: 0, to: lines.count, by: Self.mostPaths).map { start in
      lines[start..<min(start + Self.mostPaths, lines.count)].map(Array.init)
    }
  }
}
