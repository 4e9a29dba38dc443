internal import CTelpherTLS
internal import TelpherTransport

/// The memory that all TLS streams of one loop share, so that an idle stream needs none of its own.
/// Use it only on that loop's thread.
package final class TLSMemory {
  /// The most plain bytes in one record (RFC 8446, 5.1).
  static let recordLength = Int(TELPHER_TLS_RECORD_MAX)

  /// The memory into which records are decrypted.
  var plain = ReadBuffer()
  /// The records of one write.
  var batch = RecordBatch()
  /// Room for the plain bytes of one record whose parts are not in one piece.
  let record = UnsafeMutableRawBufferPointer.allocate(byteCount: recordLength, alignment: 16)

  /// New memory for a loop.
  package init() {}

  deinit { record.deallocate() }
}
