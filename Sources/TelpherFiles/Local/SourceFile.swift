internal import CTelpherSys
internal import Glibc

/// A regular file that is read.
///
/// All calls block, and may come from any thread.
public final class SourceFile: Sendable {
  /// What it was when it was opened.
  public let status: FileStatus
  private let path: RelativePath
  private let descriptor: Descriptor

  /// - Throws: `.notAFile` where it is something else.
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

  /// Reads at most as much as `buffer` takes, from `offset` bytes on. Returns how many bytes it was,
  /// 0 at the end and beyond.
  ///
  /// - Throws: `.io`, or what else read(2) answers.
  public func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(FileError) -> Int {
    while true {
      let count = pread(descriptor.number, buffer.baseAddress, buffer.count, off_t(offset))
      if count >= 0 { return count }
      guard errno == EINTR else { throw FileError("read", path, errno: errno) }
    }
  }

  /// The next bytes at or behind `offset` that are no hole, up to the size at the opening; nil where
  /// there is nothing but a hole. A file system that does not know its holes has none.
  ///
  /// - Throws: `.io`, or what else lseek(2) answers.
  public func data(from offset: Int64) throws(FileError) -> Range<Int64>? {
    guard offset < status.size else { return nil }
    // With storage for all of it there is no hole worth a look.
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

  /// Fills `buffer` from `offset` on, less only at the end of the file. Returns how many bytes it was.
  ///
  /// - Throws: as `read(into:at:)`.
  func read(filling buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(FileError)
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

  /// Whether the size says nothing about such a file of which `count` bytes were read: it holds more than
  /// that, as those of proc(5), whose times say nothing either.
  func isOfNoSize(_ count: Int64) -> Bool { status.size == 0 && count > 0 }

  /// What the file is now, if that is not what it was when it was opened: by its size and times, as far
  /// as the clock of the file system tells.
  ///
  /// - Throws: what fstat(2) answers.
  func statusIfChanged() throws(FileError) -> FileStatus? {
    let now = try FileStatus(of: descriptor, "read", path)
    let isSame =
      now.size == status.size && now.modifiedNS == status.modifiedNS
      && now.changedNS == status.changedNS
    return isSame ? nil : now
  }

  /// The error of a file that changed.
  func changed() -> FileError { FileError(.changed, "read", path, "it changed while it was read") }

  /// Makes sure that the file is as it was when it was opened: its size and times, and so its bytes,
  /// as far as the clock of the file system tells.
  ///
  /// - Throws: `.changed`.
  public func checkUnchanged() throws(FileError) {
    guard try statusIfChanged() == nil else { throw changed() }
  }
}
