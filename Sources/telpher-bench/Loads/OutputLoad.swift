internal import TelpherClient

/// A command that writes much.
enum OutputLoad {
  /// A command that writes `bytes`, `block` bytes at a time.
  static func command(bytes: Int, block: Int) -> [String] {
    ["dd", "if=/dev/zero", "bs=\(block)", "count=\(bytes / block)", "status=none"]
  }

  /// Reads all of the output of `arguments`.
  ///
  /// - Returns: gigabytes per second.
  /// - Throws: `ClientError`, `Failure` where it wasn't `bytes`.
  static func run(_ arguments: [String], bytes: Int, on connection: Connection) async throws
    -> Sample
  {
    let begin = monotonicNow()
    let (count, result) = try await connection.run(Command(arguments: arguments)) { process in
      var count = 0
      for try await chunk in process.output { count += chunk.count }
      return count
    }
    let seconds = Double(monotonicNow() - begin) / 1e9
    guard result.isSuccess, count == bytes else {
      throw Failure("\(count) of \(bytes) bytes came, and \(result.status)")
    }
    return Sample(Double(count) / 1e9 / seconds)
  }
}
