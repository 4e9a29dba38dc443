internal import TelpherWire

/// The client's side of `rm` with `recursive`.
package enum RemovalFailures {
  /// Receives what the server could not remove.
  ///
  /// - Returns: the first failures, as many as are kept.
  /// - Throws: `FileError`.
  package static func receive(from port: TransferPort) throws(FileError) -> [TransferFailure] {
    port.finish(.file)
    port.finish(.index)
    var reader = RecordReader()
    var failures = FailureList()
    while let chunk = try port.receive(.index) {
      for record in try reader.read(chunk) {
        guard let message = record.failed else { continue }
        failures.add(record.path.map { String(decoding: $0.bytes, as: UTF8.self) } ?? "", message)
      }
    }
    return failures.kept
  }
}
