package import TelpherFileStore

/// Most names in tests are text.
extension String {
  package var bytes: [UInt8] { Array(utf8) }
}

extension RelativePath: ExpressibleByStringLiteral {
  /// A path that is known to be valid.
  package init(stringLiteral text: String) { try! self.init(text) }
}

extension Partial {
  package func write(_ text: String) throws(FileError) {
    try text.bytes.withUnsafeBytesTyped { bytes throws(FileError) in try write(bytes) }
  }

  /// What it holds from `offset` on, at most `count` bytes.
  package func text(at offset: Int64 = 0, count: Int = 100) throws(FileError) -> String {
    try Self.text(count) { buffer throws(FileError) in try read(into: buffer, at: offset) }
  }

  fileprivate static func text(
    _ count: Int, _ read: (UnsafeMutableRawBufferPointer) throws(FileError) -> Int
  ) throws(FileError) -> String {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { buffer.deallocate() }
    return String(decoding: try buffer[..<read(buffer)], as: UTF8.self)
  }
}

extension SourceFile {
  /// What it holds from `offset` on, at most `count` bytes.
  package func text(at offset: Int64 = 0, count: Int = 100) throws(FileError) -> String {
    try Partial.text(count) { buffer throws(FileError) in try read(into: buffer, at: offset) }
  }
}

extension [UInt8] {
  fileprivate func withUnsafeBytesTyped(
    _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) {
    let result: Result<Void, FileError> = withUnsafeBytes { bytes in
      do throws(FileError) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    try result.get()
  }
}
