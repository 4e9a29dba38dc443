internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// Reports when children have ended. A thread of its own watches their pidfds (pidfd_open(2)),
/// because NIO can't watch a descriptor that it does not read, and swift-subprocess reports an exit
/// only after it has waited for the child. May be used from any thread.
final class ExitHub: Sendable {
  private struct State {
    var watches: [UInt64: @Sendable () -> Void] = [:]
    var lastKey: UInt64 = 0
  }

  /// The key of the pipe that ends the thread.
  private static let endKey: UInt64 = 0

  private let state = Monitor(State())
  private let epoll: Int32
  /// The pipe that ends the thread: it becomes readable in `end`.
  private let ending: (reader: Int32, writer: Int32)

  /// Starts the thread, which runs until `end`.
  ///
  /// - Throws: The errno of the step that failed.
  init() throws(ErrorNumber) {
    var ends: [Int32] = [-1, -1]
    let status = telpher_pipe(&ends)
    guard status == 0 else { throw ErrorNumber(-status) }
    let epoll = telpher_epoll()
    guard epoll >= 0 else {
      ends.forEach { close($0) }
      throw ErrorNumber(-epoll)
    }
    // From here on, `deinit` closes the descriptors, also if this throws.
    self.epoll = epoll
    ending = (ends[0], ends[1])
    let added = telpher_epoll_add(epoll, ending.reader, Self.endKey)
    let failure = added != 0 ? -added : startThread { [self] in run() }
    guard failure == 0 else { throw ErrorNumber(failure) }
  }

  deinit {
    close(epoll)
    close(ending.reader)
    close(ending.writer)
  }

  /// Ends the thread. No exit is reported after that.
  func end() {
    var byte: UInt8 = 0
    _ = write(ending.writer, &byte, 1)
  }

  /// Calls `report` once, on the hub's thread, when the process of `pidDescriptor` has ended. The
  /// caller keeps ownership of the descriptor.
  ///
  /// - Throws: The errno of epoll_ctl(2).
  func add(_ pidDescriptor: Int32, _ report: @escaping @Sendable () -> Void) throws(ErrorNumber) {
    let key = state.withLock { state in
      state.lastKey += 1
      state.watches[state.lastKey] = report
      return state.lastKey
    }
    let status = telpher_epoll_add(epoll, pidDescriptor, key)
    guard status == 0 else {
      state.withLock { $0.watches[key] = nil }
      throw ErrorNumber(-status)
    }
  }

  private func run() {
    var keys = [UInt64](repeating: 0, count: 64)
    while true {
      let count = Int(telpher_epoll_wait(epoll, &keys, Int32(keys.count)))
      precondition(count >= 0, "an epoll descriptor can be waited on")
      for key in keys[..<count] {
        if key == Self.endKey { return }
        state.withLock { $0.watches.removeValue(forKey: key) }?()
      }
    }
  }
}
