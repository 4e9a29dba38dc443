internal import TelpherClient

/// Runs a command with much output.
enum OutputLoad {
  /// Returns a command that writes `bytes` bytes, `block` bytes at a time.
  static func command(bytes: Int, block: Int) -> [String] {
    ["dd", "if=/dev/zero", "bs=\(block)", "count=\(bytes / block)", "status=none"]
  }

  /// Runs a command and reads all of its output.
  ///
  /// - Returns: gigabytes per second.
  /// - Throws: `ClientError`; `Failure` if the command fails or does not write `bytes` bytes.
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
      throw Failure("\(count) of \(bytes) bytes arrived; \(result.status)")
    }
    return Sample(Double(count) / 1e9 / seconds)
  }
}
