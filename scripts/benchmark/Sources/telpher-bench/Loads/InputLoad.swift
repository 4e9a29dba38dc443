internal import TelpherClient
internal import TelpherTransport

/// Runs a command that reads much input.
enum InputLoad {
  /// Sends `bytes` bytes to a command that reads them, and waits for its end.
  ///
  /// - Returns: gigabytes per second.
  /// - Throws: `ClientError`; `Failure` if the command fails.
  static func run(bytes: Int, on connection: Connection) async throws -> Sample {
    let block = Chunk([UInt8](repeating: 1, count: 256 << 10))
    let command = Command(arguments: ["dd", "of=/dev/null", "bs=256K", "status=none"])
    let begin = monotonicNow()
    let (_, result) = try await connection.run(command, hasInput: true) { process in
      var left = bytes
      while left > 0 {
        let count = min(left, block.count)
        try await process.input.write(block.slice(0..<count))
        left -= count
      }
      await process.input.finish()
    }
    let seconds = Double(monotonicNow() - begin) / 1e9
    guard result.isSuccess else { throw Failure("dd: \(result.status)") }
    return Sample(Double(bytes) / 1e9 / seconds)
  }
}
