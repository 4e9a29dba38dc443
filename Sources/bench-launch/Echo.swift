internal import Glibc

/// A thread that asks the loop for a byte's echo every millisecond, and keeps how long each took.
///
/// `@unchecked Sendable`: `waits` is the thread's until it was joined, the rest never changes.
final class Echo: @unchecked Sendable {
  /// Readable when the loop is to answer.
  let loopEnd: Int32
  private let threadEnd: Int32
  private var waits: [Double] = []
  private var thread = pthread_t()

  init() {
    var ends: [Int32] = [-1, -1]
    socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0, &ends)
    (loopEnd, threadEnd) = (ends[0], ends[1])
    pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Echo>.fromOpaque(argument!).takeRetainedValue().ask()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
  }

  /// Answers one byte, on the loop.
  func answer() {
    var byte: UInt8 = 0
    if read(loopEnd, &byte, 1) == 1 { write(loopEnd, &byte, 1) }
  }

  /// Ends the thread and returns what it measured, in microseconds.
  func finish() -> [Double] {
    shutdown(loopEnd, Int32(SHUT_RDWR))
    pthread_join(thread, nil)
    close(loopEnd)
    close(threadEnd)
    return waits
  }

  private func ask() {
    var byte: UInt8 = 0
    while true {
      let begin = microseconds()
      guard send(threadEnd, &byte, 1, Int32(MSG_NOSIGNAL)) == 1,
        read(threadEnd, &byte, 1) == 1
      else { return }
      waits.append(microseconds() - begin)
      usleep(1000)
    }
  }
}
