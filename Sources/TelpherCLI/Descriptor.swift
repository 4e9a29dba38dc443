internal import Glibc
internal import TelpherText
internal import TelpherTransport
internal import TelpherWire

/// An inherited descriptor, which is read and written with blocking calls. Other processes may
/// share its O_NONBLOCK flag, so the flag is not changed: if it is set, poll(2) waits.
struct Descriptor: Sendable {
  let number: Int32
  let name: String

  static let input = Descriptor(number: STDIN_FILENO, name: "standard input")
  static let output = Descriptor(number: STDOUT_FILENO, name: "standard output")
  static let error = Descriptor(number: STDERR_FILENO, name: "standard error")

  /// Redirects standard error to /dev/null, so that its reader gets the end of the file.
  static func redirectErrorToNull() {
    let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
    guard null >= 0 else { return }
    dup2(null, STDERR_FILENO)
    close(null)
  }

  /// The error number of a failed system call.
  struct CallError: Error {
    let number: Int32
    var text: String { describe(errno: number) }
  }

  /// Writes all of `bytes`.
  func write(_ bytes: UnsafeRawBufferPointer) throws(CallError) {
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(number, rest.baseAddress, rest.count)
      if count >= 0 {
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      } else {
        try recover(errno, waitingFor: Int16(POLLOUT))
      }
    }
  }

  /// Writes `text`.
  func write(_ text: String) throws(CallError) {
    var text = text
    do {
      try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    } catch let error as CallError {
      throw error
    } catch {
      preconditionFailure("`write` throws nothing else")
    }
  }

  /// Writes `text` for the user.
  ///
  /// - Throws: `Failure` if it can't be written.
  func print(_ text: String) throws(Failure) {
    do throws(CallError) { try write(text) } catch { throw failure(error) }
  }

  /// Writes `bytes` for the user.
  ///
  /// - Throws: `Failure` if they can't be written.
  func print(_ bytes: [UInt8]) throws(Failure) {
    do {
      try bytes.withUnsafeBytes { try write($0) }
    } catch let error as CallError {
      throw failure(error)
    } catch {
      preconditionFailure("`write` throws nothing else")
    }
  }

  private func failure(_ error: CallError) -> Failure {
    if error.number == EPIPE, number == STDOUT_FILENO { return .noReader }
    return Failure("cannot write \(name): \(error.text)")
  }

  /// Waits for input and reads at most `capacity` bytes; nil at the end of the file.
  func read(upTo capacity: Int) throws(CallError) -> Chunk? {
    let chunk = try Chunk(capacity: capacity) { (memory) throws(CallError) in
      while true {
        let count = Glibc.read(number, memory.baseAddress, memory.count)
        if count >= 0 { return count }
        try recover(errno, waitingFor: Int16(POLLIN))
      }
    }
    return chunk.isEmpty ? nil : chunk
  }

  private func recover(_ error: Int32, waitingFor events: Int16) throws(CallError) {
    switch error {
    case EINTR: return
    case EAGAIN:
      var entry = pollfd(fd: number, events: events, revents: 0)
      _ = poll(&entry, 1, -1)
    default: throw CallError(number: error)
    }
  }

  /// Prints `message` as one line on standard error. It escapes control characters, because the
  /// message may contain text from a server or a file's name.
  static func complain(_ message: String) {
    try? error.write("telpher: \(ShownText.escaped(message))\(lineEnd)")
  }

  /// The end of a line on standard error. A terminal in raw mode needs CR too: after LF alone the next
  /// text begins below the end of the line. Any process may have set that mode.
  static var lineEnd: String {
    var attributes = termios()
    let isRaw =
      tcgetattr(STDERR_FILENO, &attributes) == 0 && attributes.c_oflag & tcflag_t(OPOST) == 0
    return isRaw ? "\r\n" : "\n"
  }

  /// Opens /dev/null in place of closed standard streams. Otherwise the next sockets to be opened
  /// would get their numbers, and the program would read and write those. Standard input is opened
  /// for writing and the others for reading, so that using one still fails with EBADF.
  static func occupyClosedStandardStreams() {
    for number in STDIN_FILENO...STDERR_FILENO where fcntl(number, F_GETFD) < 0 {
      _ = open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}
