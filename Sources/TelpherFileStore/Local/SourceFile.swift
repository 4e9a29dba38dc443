internal import CTelpherSys
internal import Glibc

/// A regular file that is open for reading.
///
/// All methods block, and may be called from any thread.
package final class SourceFile: Sendable {
  /// The status at the time of opening.
  package let status: FileStatus
  private let path: RelativePath
  private let descriptor: Descriptor

  /// Takes ownership of the descriptor. `path` is for messages.
  ///
  /// - Throws: `.notAFile` if it is not a regular file.
  init(_ descriptor: consuming Descriptor, path: RelativePath) throws(FileError) {
    status = try FileStatus(of: descriptor, "read", path)
    self.path = path
    self.descriptor = descriptor
    try Self.check(status.kind, path)
  }

  static func check(_ kind: FileStatus.Kind, _ path: RelativePath) throws(FileError) {
    if kind == .file { return }
    throw FileError(.notAFile, "read", path, "it is \(kind.description), not a regular file")
  }

  /// Reads up to the size of `buffer` from the byte offset `offset`. Returns the number of bytes
  /// read; 0 at or after the end.
  ///
  /// - Throws: `.io`, or another error of read(2).
  package func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(FileError) -> Int {
    while true {
      let count = pread(descriptor.number, buffer.baseAddress, buffer.count, off_t(offset))
      if count >= 0 { return count }
      guard errno == EINTR else { throw FileError("read", path, errno: errno) }
    }
  }

  /// Returns the next range of data (not a hole) at or after `offset`, limited to the size at the
  /// time of opening; nil if only a hole follows. If the file system does not report holes, the
  /// rest of the file counts as data.
  ///
  /// - Throws: `.io`, or another error of lseek(2).
  package func data(from offset: Int64) throws(FileError) -> Range<Int64>? {
    guard offset < status.size else { return nil }
    // A file whose size is fully allocated has no holes worth searching.
    if status.allocated >= status.size { return offset..<status.size }
    var start: Int64 = 0
    var end: Int64 = 0
    switch telpher_next_data(descriptor.number, offset, &start, &end) {
    case 1: return start < status.size ? start..<max(start, min(end, status.size)) : nil
    case 0: return nil
    case -EINVAL, -EOPNOTSUPP: return offset..<status.size
    case let error: throw FileError("read", path, errno: -error)
    }
  }

  /// Fills `buffer` from `offset`, or reads less at the end of the file. Returns the number of
  /// bytes read.
  ///
  /// - Throws: as `read(into:at:)`.
  package func read(filling buffer: UnsafeMutableRawBufferPointer, at offset: Int64)
    throws(FileError)
    -> Int
  {
    var count = 0
    while count < buffer.count {
      let more = try read(
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]), at: offset + Int64(count))
      if more == 0 { break }
      count += more
    }
    return count
  }

  /// Whether the file has a reported size of 0 although `count` bytes were read, like the files of
  /// proc(5). The times of such a file mean nothing either.
  package func isOfNoSize(_ count: Int64) -> Bool { status.size == 0 && count > 0 }

  /// Returns the current status if the size or a time differs from that at opening; else nil. The
  /// clock of the file system limits how small a change is visible.
  ///
  /// - Throws: the error of fstat(2).
  package func statusIfChanged() throws(FileError) -> FileStatus? {
    let now = try FileStatus(of: descriptor, "read", path)
    let isSame =
      now.size == status.size && now.modifiedNS == status.modifiedNS
      && now.changedNS == status.changedNS
    return isSame ? nil : now
  }

  /// The error for a file that changed while it was read.
  package func changed() -> FileError {
    FileError(.changed, "read", path, "it changed while it was read")
  }

  /// Checks that the size and times are the same as at opening, as in `statusIfChanged()`.
  ///
  /// - Throws: `.changed` if they differ.
  package func checkUnchanged() throws(FileError) {
    guard try statusIfChanged() == nil else { throw changed() }
  }
}
