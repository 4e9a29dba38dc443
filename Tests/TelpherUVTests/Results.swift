import Synchronization

/// Process ids from callbacks; nil if the launch failed.
final class Results: Sendable {
  private let list = Mutex<[Int32?]>([])

  var all: [Int32?] { list.withLock { $0 } }

  func append(_ pid: Int32?) {
    list.withLock { $0.append(pid) }
  }
}
