package import TelpherFileStore
internal import TelpherWire

/// Receives the failures of a recursive removal: the client's side of `rm` with `recursive`.
package enum RemovalFailures {
  /// Receives the failures until the server ends them. Blocks; for a worker's thread.
  ///
  /// - Returns: the first failures, up to the limits of `FailureList`.
  /// - Throws: `FileError`: `protocolError`; `canceled` or `lost` if the stream ends.
  package static func receive(from port: TransferPort) throws(FileError) -> [TransferFailure] {
    port.finish(.file)
    port.finish(.index)
    var reader = RecordReader()
    var failures = FailureList()
    while let chunk = try port.receive(.index) {
      for record in try reader.read(chunk) {
        guard case .file(let part) = record, case .failed(let message, let path) = part.end
        else { continue }
        failures.add(path.map { String(decoding: $0.bytes, as: UTF8.self) } ?? "", message)
      }
    }
    return failures.kept
  }
}
