internal import TelpherTransport

/// What one client has announced, over all streams of its connection, and the server keeps until it is
/// stored: the paths of files and folders. From any thread.
public final class AnnouncedBytes: Sendable {
  /// The most for one connection: some twenty trees of small files with paths of usual length at once,
  /// each as far ahead as `TreeSender` goes.
  public static let limit = 32 << 20
  /// What an entry takes beside its path, which is kept twice.
  private static let overhead = 256

  private let limit: Int
  private let sum = Monitor(0)

  /// Nothing announced yet.
  ///
  /// - Parameter limit: the most, in bytes.
  public init(limit: Int = AnnouncedBytes.limit) { self.limit = limit }

  /// The bytes that are announced.
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
        "more than \(limit) bytes of files and folders were announced over this connection and not sent"
      )
    }
  }

  fileprivate func remove(_ size: Int) { sum.withLock { $0 -= size } }
}

/// The part of a connection's announced bytes that one stream has. What is left of it when the stream
/// is over is given back.
final class AnnouncedShare {
  private let whole: AnnouncedBytes
  private var count = 0

  init(of whole: AnnouncedBytes) { self.whole = whole }

  deinit { whole.remove(count) }

  /// An entry was announced.
  ///
  /// - Throws: `FileError` (`tooLarge`) if the connection has announced too much.
  func add(_ path: RelativePath) throws(FileError) {
    let size = AnnouncedBytes.size(path)
    try whole.add(size)
    count += size
  }

  /// An entry that was added is settled.
  func remove(_ path: RelativePath) {
    let size = AnnouncedBytes.size(path)
    whole.remove(size)
    count -= size
  }
}
