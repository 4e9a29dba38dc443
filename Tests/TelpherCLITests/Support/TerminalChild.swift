import Glibc
import Synchronization
import TelpherTransport

/// A process with its own pseudoterminal, at whose other side the test types and reads. It is
/// killed when the object is freed.
final class TerminalChild: Sendable {
  let pid: pid_t
  private let terminal: Int32
  /// All text that was read so far, and how much of it was searched.
  private let seen = Mutex((text: "", looked: 0))
  private let isReaped = Mutex(false)

  /// TIOCSPTLCK and TIOCGPTN of ioctl_tty(2), which Swift's Glibc module lacks.
  private static let setLock: UInt = 0x4004_5431
  private static let getNumber: UInt = 0x8004_5430

  init(
    _ arguments: [String], environment: [String: String], directory: String, columns: UInt16 = 80
  ) throws {
    terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var (isLocked, number): (Int32, UInt32) = (0, 0)
    guard terminal >= 0, ioctl(terminal, Self.setLock, &isLocked) == 0,
      ioctl(terminal, Self.getNumber, &number) == 0
    else { throw Failed("no terminal") }
    var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(terminal, UInt(TIOCSWINSZ), &size)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // The first terminal that a session leader opens becomes the session's controlling terminal.
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/pts/\(number)", O_RDWR, 0)
    posix_spawn_file_actions_adddup2(&actions, 0, 1)
    posix_spawn_file_actions_adddup2(&actions, 0, 2)
    let enter = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", directory]
    var words = (enter + arguments).map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { (words + variables).forEach { free($0) } }
    var pid: pid_t = 0
    let newSession: Int16 = 0x80
    let result = withDefaultSignals(flags: newSession) { attributes in
      posix_spawn(&pid, enter[0], &actions, &attributes, &words, &variables)
    }
    guard result == 0 else {
      // `pid` has no value yet, so `deinit` does not run.
      close(terminal)
      throw Failed("\(arguments[0]): \(describe(errno: result))")
    }
    self.pid = pid
  }

  deinit {
    if !isReaped.withLock({ $0 }) {
      kill(pid, SIGKILL)
      waitpid(pid, nil, 0)
    }
    close(terminal)
  }

  /// The attributes of the terminal: tcgetattr(3).
  var attributes: [UInt8] {
    var attributes = termios()
    precondition(tcgetattr(terminal, &attributes) == 0)
    return withUnsafeBytes(of: &attributes) { Array($0) }
  }

  /// All text that was read so far.
  var seenText: String { seen.withLock(\.text) }

  /// Changes the size of the terminal.
  func resize(rows: UInt16, columns: UInt16) {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    precondition(ioctl(terminal, UInt(TIOCSWINSZ), &size) == 0)
  }

  /// Types `text`.
  func type(_ text: String) {
    let bytes = Array(text.utf8)
    precondition(write(terminal, bytes, bytes.count) == bytes.count)
  }

  /// Reads until `text` appears after the text that was found before.
  ///
  /// - Returns: false if the process ended before.
  func find(_ text: String) async -> Bool {
    await onThread { [self] in
      seen.withLock { seen in
        while true {
          let rest = seen.text.utf8.dropFirst(seen.looked)
          if let range = rest.firstRange(of: text.utf8) {
            seen.looked = seen.text.utf8.distance(from: seen.text.startIndex, to: range.upperBound)
            return true
          }
          var buffer = [UInt8](repeating: 0, count: 4_096)
          // EIO at the end: no process has the other side open any more.
          let count = read(terminal, &buffer, buffer.count)
          if count < 0 && errno == EINTR { continue }
          guard count > 0 else { return false }
          seen.text += String(decoding: buffer[..<count], as: UTF8.self)
        }
      }
    }
  }

  /// Waits for the end; returns the text on the terminal (output and echo) and the exit status.
  func finish() async -> (text: String, status: Int32) {
    _ = await find("\u{0}never")
    return await onThread { [self] in
      var status: Int32 = 0
      while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
      isReaped.withLock { $0 = true }
      return (
        seen.withLock(\.text), status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
      )
    }
  }
}
