internal import Glibc
internal import TelpherClient

/// A temporary file without a name, for bytes that are too many for the memory. Use it from one
/// thread at a time.
final class SpillFile {
  /// The most bytes that are kept: a limit for the disk, which others use too.
  static let limit = 16 << 30

  private let descriptor: Int32
  private let path: String
  private var end = 0
  private var used = 0
  /// The ranges that were freed.
  private var free: [Range<Int>] = []

  /// Makes the file in $TMPDIR or, because /tmp is often memory, in /var/tmp.
  ///
  /// - Throws: `Failure`.
  init(environment: [String: String]) throws(Failure) {
    let folder = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/var/tmp"
    path = folder
    let name = "\(folder)/telpher-\(UInt64.random(in: .min ... .max))"
    let number = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard number >= 0 else {
      throw Failure("cannot make a temporary file in \(folder): \(describe(errno: errno))")
    }
    unlink(name)
    descriptor = number
  }

  deinit { close(descriptor) }

  /// Appends bytes and returns where they begin.
  ///
  /// - Throws: `Failure` if the disk or the limit is full.
  func append(_ bytes: UnsafeRawBufferPointer) throws(Failure) -> Int {
    guard used + bytes.count <= Self.limit else {
      throw Failure(
        "the outputs of all hosts together are longer than \(Self.limit >> 30) GiB, the most that is kept",
        kind: "output_limit")
    }
    let start = place(bytes.count)
    var sent = 0
    while sent < bytes.count {
      let count = pwrite(
        descriptor, bytes.baseAddress.map { $0 + sent }, bytes.count - sent, off_t(start + sent))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw Failure("cannot write a temporary file in \(path): \(describe(errno: errno))")
      }
      sent += count
    }
    used += bytes.count
    return start
  }

  /// Finds a place for `count` bytes: in a range that was freed, else at the end.
  private func place(_ count: Int) -> Int {
    if let index = free.lastIndex(where: { $0.count >= count }) {
      let range = free.remove(at: index)
      let rest = (range.lowerBound + count)..<range.upperBound
      if !rest.isEmpty { free.append(rest) }
      return range.lowerBound
    }
    end += count
    return end - count
  }

  /// The bytes of a range that was appended.
  ///
  /// - Throws: `Failure`.
  func read(_ range: Range<Int>) throws(Failure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    var received = 0
    while received < bytes.count {
      let (file, offset, room) = (
        descriptor, off_t(range.lowerBound + received), range.count - received
      )
      let count = bytes.withUnsafeMutableBytes {
        pread(file, $0.baseAddress.map { $0 + received }, room, offset)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw Failure("cannot read a temporary file in \(path): \(describe(errno: errno))")
      }
      received += count
    }
    return bytes
  }

  /// Frees a range for later bytes.
  func free(_ range: Range<Int>) {
    free.append(range)
    used -= range.count
  }
}
