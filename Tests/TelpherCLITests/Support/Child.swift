import Glibc
import Synchronization
import TelpherTransport

/// The exit status and the output of a process.
struct Finished {
  var output: [UInt8]
  var error: [UInt8]
  /// The exit status as in the shell's `$?`: 128 + n for signal n.
  var status: Int32

  var text: String { String(decoding: output, as: UTF8.self) }
  var errorText: String { String(decoding: error, as: UTF8.self) }
}

/// A process under test, with pipes for its standard streams. It is killed when the object is
/// freed.
final class Child: Sendable {
  let pid: Int32
  private let input: Int32
  private let output: Int32
  private let error: Int32
  private let isReaped = Mutex(false)
  /// Bytes that `line()` has read from `output` but not returned yet.
  private let rest = Mutex<[UInt8]>([])

  /// The kind of standard input.
  enum Input {
    case pipe
    case null
  }

  /// Starts `arguments[0]`, found in this process's PATH, with exactly `environment`.
  init(
    _ arguments: [String], environment: [String: String], input: Input = .null
  ) throws {
    let (stdin, stdout, stderr) = (try Pipe(), try Pipe(), try Pipe())
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if input == .pipe {
      posix_spawn_file_actions_adddup2(&actions, stdin.readEnd, 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, stdout.writeEnd, 1)
    posix_spawn_file_actions_adddup2(&actions, stderr.writeEnd, 2)
    var words = arguments.map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { (words + variables).forEach { free($0) } }
    var pid: pid_t = 0
    let result = withDefaultSignals { attributes in
      posix_spawnp(&pid, arguments[0], &actions, &attributes, &words, &variables)
    }
    for end in [stdin.readEnd, stdout.writeEnd, stderr.writeEnd] { close(end) }
    guard result == 0 else { throw Failed("\(arguments[0]): \(describe(errno: result))") }
    self.pid = pid
    (self.input, output, error) = (stdin.writeEnd, stdout.readEnd, stderr.readEnd)
    inputIsOpen.withLock { $0 = true }
    if input == .null { closeInput() }
  }

  private let inputIsOpen = Mutex(false)

  deinit {
    if !isReaped.withLock({ $0 }) {
      kill(pid, SIGKILL)
      var status: Int32 = 0
      waitpid(pid, &status, 0)
    }
    closeInput()
    close(output)
    close(error)
  }

  func signal(_ number: Int32) { kill(pid, number) }

  func closeInput() {
    inputIsOpen.withLock { isOpen in
      if isOpen { close(input) }
      isOpen = false
    }
  }

  /// Writes all of `text` to its standard input.
  func write(_ text: String) async { await write(Array(text.utf8)) }

  func write(_ bytes: [UInt8]) async {
    await onThread { [input] in
      var sent = 0
      while sent < bytes.count {
        // If the process has ended, this must not end the tests by SIGPIPE.
        let count = bytes.withUnsafeBytes {
          send(input, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
        }
        if count <= 0 { return }
        sent += count
      }
    }
  }

  /// The next line of its standard output, without the line's end; nil at the end.
  func line() async -> String? {
    await onThread { [self] in
      rest.withLock { rest in
        while true {
          if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            defer { rest.removeFirst(end + 1) }
            return String(decoding: rest[..<end], as: UTF8.self)
          }
          guard readMore(output, into: &rest) else { return nil }
        }
      }
    }
  }

  /// Closes this side of its standard output.
  func stopReadingOutput() {
    let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
    dup2(null, output)
    close(null)
  }

  /// Waits until the process has ended and all its output is read.
  func finish() async -> Finished {
    async let error = readToEnd(error, [])
    async let output = readToEnd(output, rest.withLock { $0 })
    let (bytes, errorBytes) = await (output, error)
    return Finished(output: bytes, error: errorBytes, status: await wait())
  }

  /// Waits until the process has ended, without reading its output.
  func wait() async -> Int32 {
    await onThread { [pid, self] in
      var status: Int32 = 0
      while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
      isReaped.withLock { $0 = true }
      return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }
  }
}

/// Something that a test needs has failed.
struct Failed: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Makes a pipe whose ends no other child inherits.
struct Pipe {
  let readEnd: Int32
  let writeEnd: Int32

  init() throws {
    var ends: [Int32] = [-1, -1]
    // The flag is set when the pipe is made, because another test may start a process at any time.
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0
    else { throw Failed("socketpair") }
    (readEnd, writeEnd) = (ends[0], ends[1])
    shutdown(readEnd, Int32(SHUT_WR))
    shutdown(writeEnd, Int32(SHUT_RD))
  }
}

private func readMore(_ descriptor: Int32, into bytes: inout [UInt8]) -> Bool {
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { return false }
    bytes += buffer[..<count]
    return true
  }
}

private func readToEnd(_ descriptor: Int32, _ start: [UInt8]) async -> [UInt8] {
  await onThread {
    var bytes = start
    while readMore(descriptor, into: &bytes) {}
    return bytes
  }
}

/// Runs `body`, which may block, on a new thread.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
  await withCheckedContinuation { continuation in
    let work = Unmanaged.passRetained(Work { continuation.resume(returning: body()) })
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { work in
        Unmanaged<Work>.fromOpaque(work!).takeRetainedValue().body()
        return nil
      }, work.toOpaque())
    precondition(error == 0, "a thread can be had")
    pthread_detach(thread)
  }
}

private final class Work {
  let body: () -> Void
  init(_ body: @escaping () -> Void) { self.body = body }
}

/// Calls `body` with attributes of posix_spawn(3) by which a program starts with all signals at their
/// defaults: the test runner may ignore or block signals that the program must get.
///
/// - Parameter flags: further flags, such as POSIX_SPAWN_SETSID.
func withDefaultSignals(flags: Int16 = 0, _ body: (inout posix_spawnattr_t) -> Int32) -> Int32 {
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var signals = sigset_t()
  sigemptyset(&signals)
  posix_spawnattr_setsigmask(&attributes, &signals)
  sigfillset(&signals)
  posix_spawnattr_setsigdefault(&attributes, &signals)
  posix_spawnattr_setflags(
    &attributes, flags | Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))
  return body(&attributes)
}
