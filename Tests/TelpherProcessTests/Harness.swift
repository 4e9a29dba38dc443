import CTelpherSys
import CTelpherTestSupport
import Glibc
import TelpherFileStore
import TelpherProcess
import TelpherTransport

/// The scopes that this machine supports.
let scopes: [Launcher.Scope] =
  (try? Launcher(scope: .cgroup)) == nil
  ? [.descendants] : [.cgroup, .descendants]

/// The scopes, each with and without clone3.
let launchers: [(Launcher.Scope, Bool)] = scopes.flatMap { [($0, false), ($0, true)] }

/// Makes a launcher. If `withoutClone3` is true, the kernel has refused clone3 at its first launch.
func makeLauncher(_ scope: Launcher.Scope, withoutClone3: Bool = false) throws -> Launcher {
  guard withoutClone3 else { return try Launcher(scope: scope) }
  let made = Monitor<Result<Launcher, any Error>?>(nil)
  // The filter of the pool's only thread ends with the thread.
  try WorkerPool(limit: 1).run {
    let result = Result {
      let error = refuse_clone3()
      guard error == 0 else { throw TransportError("filter clone3", errno: error) }
      let launcher = try Launcher(scope: scope)
      _ = try launcher.run(shell: "true")
      return launcher
    }
    made.withLock { $0 = result }
    made.signal()
  }
  return try made.wait(until: nil) {
    $0 == nil
  } then: {
    $0!
  }.get()
}

/// How many seconds to wait for a condition before the test fails: far more than it takes.
private let patience: Double = 300

/// What a command wrote, and how it ended.
struct Outcome {
  var exit: ProcessExit
  var output: String
  var error: String

  /// The exit code. Nil if a signal ended the command.
  var code: Int32? {
    if case .exited(let code) = exit.status { code } else { nil }
  }
}

struct TimedOut: Error {}

/// Checks `condition` again and again until it is true.
func eventually(_ condition: () throws -> Bool) throws {
  let end = now() + patience
  while try !condition() {
    guard now() < end else { throw TimedOut() }
    usleep(1000)
  }
}

private func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Waits until `descriptor` is readable or has ended.
func awaitReadable(_ descriptor: Int32) throws {
  var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
  guard Glibc.poll(&poll, 1, Int32(patience * 1000)) == 1 else { throw TimedOut() }
}

/// Reads up to the end of a line or the end of the bytes. The descriptor stays open.
func readLine(_ descriptor: Int32) throws -> String {
  var bytes: [UInt8] = []
  var byte: UInt8 = 0
  while true {
    try awaitReadable(descriptor)
    guard read(descriptor, &byte, 1) == 1, byte != UInt8(ascii: "\n") else { break }
    bytes.append(byte)
  }
  return String(decoding: bytes, as: UTF8.self)
}

/// Reads to the end and closes the descriptor.
func readAll(_ descriptor: Int32) throws -> String {
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65536)
  while true {
    try awaitReadable(descriptor)
    let count = read(descriptor, &buffer, buffer.count)
    guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
    bytes += buffer[..<count]
  }
}

extension LaunchedProcess {
  /// Waits for the exit.
  func awaitExit() throws -> ProcessExit {
    try awaitReadable(pidDescriptor)
    guard let exit = reap() else { throw TimedOut() }
    return exit
  }

  /// Closes the pidfd and ends the tracking.
  func finish() {
    close(pidDescriptor)
    release()
  }

  /// Closes the output pipes and the pidfd, and ends the tracking.
  func finishWithOutputs() {
    for descriptor in [output, error].compactMap({ $0 }) { close(descriptor) }
    finish()
  }
}

extension Launcher {
  /// Runs a command to its end.
  func run(_ request: SpawnRequest) throws -> Outcome {
    let process = try launch(request)
    if let input = process.input { close(input) }
    let output = try process.output.map(readAll) ?? ""
    let error = try process.error.map(readAll) ?? ""
    let exit = try process.awaitExit()
    process.finish()
    return Outcome(exit: exit, output: output, error: error)
  }

  /// Runs a shell script to its end.
  func run(shell script: String) throws -> Outcome {
    try run(.shell(script))
  }
}

extension SpawnRequest {
  /// A request that runs a shell script.
  static func shell(_ script: String) -> SpawnRequest {
    SpawnRequest(arguments: ["/bin/sh", "-c", script], environment: searchPath)
  }
}

/// An environment with a PATH.
let searchPath = ["PATH": "/usr/local/bin:/usr/bin:/bin"]

/// Calls `body` with a new folder and removes it afterwards.
func withTemporaryFolder<R>(_ body: (String) throws -> R) throws -> R {
  var template = Array("/tmp/telpher-test-XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { throw TimedOut() }
  let folder = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  defer {
    _ = try? Launcher(scope: .descendants).run(
      SpawnRequest(arguments: ["rm", "-rf", folder], environment: searchPath))
  }
  return try body(folder)
}

/// Writes a file.
func write(_ text: String, to path: String, mode: mode_t) {
  guard let file = fopen(path, "w") else { return }
  fputs(text, file)
  fclose(file)
  chmod(path, mode)
}

/// The number of open descriptors of this process.
func openDescriptors() -> Int {
  (0..<4096).count { fcntl(Int32($0), F_GETFD) >= 0 }
}
