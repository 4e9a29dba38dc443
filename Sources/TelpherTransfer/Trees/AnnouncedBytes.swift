internal import TelpherFileStore
internal import TelpherTransport

/// Counts the memory that the server holds for the announced entries of one client connection, over
/// all its streams, until the entries are settled. Any thread may use it.
package final class AnnouncedBytes: Sendable {
  /// The default limit for one connection, in bytes. It suffices for about twenty simultaneous
  /// trees of small files with paths of usual length, announced as far ahead as `TreeSender` does.
  package static let limit = 32 << 20
  /// The approximate size of an entry in bytes, without its path. The path is stored twice.
  private static let overhead = 256

  private let limit: Int
  private let sum = Monitor(0)

  /// Creates a counter at 0.
  ///
  /// - Parameter limit: the maximum, in bytes.
  package init(limit: Int = AnnouncedBytes.limit) { self.limit = limit }

  /// The announced bytes that are not settled.
  var count: Int { sum.withLock { $0 } }

  fileprivate static func size(_ path: RelativePath) -> Int { overhead + 2 * path.bytes.count }

  fileprivate func add(_ size: Int) throws(FileError) {
    let fits = sum.withLock { sum in
      guard size <= limit - sum else { return false }
      sum += size
      return true
    }
    guard fits else {
      throw FileError(
        .tooLarge,
        "too many files and folders were announced ahead: their paths take over \(limit) bytes"
      )
    }
  }

  fileprivate func remove(_ size: Int) { sum.withLock { $0 -= size } }
}

/// The share of one stream in the announced bytes of its connection. Its rest is returned when the
/// stream is over.
final class AnnouncedShare {
  private let whole: AnnouncedBytes
  private var count = 0

  init(of whole: AnnouncedBytes) { self.whole = whole }

  deinit { whole.remove(count) }

  /// Adds an announced entry.
  ///
  /// - Throws: `FileError` (`tooLarge`) if the connection exceeds its limit.
  func add(_ path: RelativePath) throws(FileError) {
    let size = AnnouncedBytes.size(path)
    try whole.add(size)
    count += size
  }

  /// Removes an entry that is settled.
  func remove(_ path: RelativePath) {
    let size = AnnouncedBytes.size(path)
    whole.remove(size)
    count -= size
  }
}
