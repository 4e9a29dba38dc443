import Glibc

/// A temporary folder for a test, and an environment whose paths are in it, so that no file of the
/// user is read or written. The folder is removed when the object is freed.
final class Sandbox: Sendable {
  let folder: String
  let environment: [String: String]

  /// The default socket in this environment.
  var socket: String { folder + "/run/telpher.sock" }

  /// - Parameter keep: how long a connection to another machine is kept. No process of a test must
  /// outlive it: with another value than 0, use `with(keep:_:)`.
  init(keep: String = "0") throws {
    var template = Array("/tmp/telpher-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failed("mkdtemp") }
    folder = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    mkdir(folder + "/run", 0o700)
    mkdir(folder + "/bin", 0o700)
    var environment = [
      "HOME": folder, "XDG_RUNTIME_DIR": folder + "/run", "PATH": "\(folder)/bin:/usr/bin:/bin",
      "LC_ALL": "C",
      "TELPHER_KEEP": keep,
    ]
    // The program gets the sanitizer's options too.
    for name in ["TSAN_OPTIONS", "ASAN_OPTIONS", "LD_LIBRARY_PATH", "SWIFT_BACKTRACE"] {
      if let value = getenv(name) { environment[name] = String(cString: value) }
    }
    // A client exits without freeing its connection and loop, which must not count as leaks.
    environment["ASAN_OPTIONS"] =
      (environment["ASAN_OPTIONS"].map { $0 + ":" } ?? "") + "detect_leaks=0"
    self.environment = environment
  }

  /// Runs `body`, whose commands may keep connections for `keep`, and then ends those.
  static func with<Value>(
    keep: String, _ body: (Sandbox) async throws -> Value
  ) async throws -> Value {
    let sandbox = try Sandbox(keep: keep)
    let result: Result<Value, any Error>
    do { result = .success(try await body(sandbox)) } catch { result = .failure(error) }
    _ = try await sandbox.telpher("disconnect", "--now")
    return try result.get()
  }

  deinit {
    var pid: pid_t = 0
    let arguments: [String] = ["rm", "-rf", folder]
    var words = arguments.map { strdup($0) } + [nil]
    posix_spawnp(&pid, "rm", nil, nil, &words, environ)
    words.forEach { free($0) }
    var status: Int32 = 0
    waitpid(pid, &status, 0)
  }

  /// The path of the built program, in the folder of the test bundle.
  static let program: String = {
    var path = [CChar](repeating: 0, count: 4_096)
    let count = readlink("/proc/self/exe", &path, path.count - 1)
    let own = String(
      decoding: path.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return own.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      .joined(separator: "/") + "/telpher"
  }()

  /// Starts the program.
  func start(
    _ arguments: [String], input: Child.Input = .null, environment extra: [String: String] = [:]
  ) throws -> Child {
    try Child(
      [Self.program] + arguments,
      environment: environment.merging(extra) { $1 }, input: input)
  }

  /// Runs the program with `input` as its standard input and waits for its end.
  func telpher(
    _ arguments: String..., input: String? = nil, environment extra: [String: String] = [:]
  ) async throws -> Finished {
    let child = try start(arguments, input: input == nil ? .null : .pipe, environment: extra)
    if let input {
      await child.write(input)
      child.closeInput()
    }
    return await child.finish()
  }

  /// Runs a shell line in which `telpher` is the built program.
  func shell(_ line: String) async throws -> Finished {
    symlink(Self.program, folder + "/bin/telpher")
    return await (try Child(["/bin/sh", "-c", line], environment: environment)).finish()
  }

  /// Starts a server and waits until it listens.
  func serve(_ arguments: String...) async throws -> (server: Child, addresses: [String]) {
    let server = try start(["serve"] + arguments)
    var addresses: [String] = []
    for _ in 0..<max(1, arguments.filter { $0 == "--listen" }.count) {
      guard let line = await server.line(), line.hasPrefix("listening on ") else {
        server.signal(SIGKILL)
        throw Failed("no server: \(await server.finish().errorText)")
      }
      addresses.append(String(line.dropFirst("listening on ".count)))
    }
    return (server, addresses)
  }

  /// Adds a fake ssh, which starts the server on this machine. It adds a line to the file `logins`
  /// each time.
  ///
  /// - Parameters:
  ///   - first: shell code that runs before the server.
  ///   - last: shell code that runs after it; the server is then a child of the shell.
  func addSSH(_ first: String = "", last: String? = nil) {
    let start = last.map { "\(Self.program) \"$@\"\n\($0)" } ?? "exec \(Self.program) \"$@\""
    addProgram(
      "ssh",
      """
      #!/bin/sh
      echo >>\(folder)/logins
      \(first)
      while [ "$1" != -- ]; do shift; done; shift 3
      \(start)

      """)
  }

  /// How often the fake ssh was started.
  var logins: Int {
    get async throws { try await shell("cat \(folder)/logins 2>/dev/null").output.count }
  }

  /// Writes an executable script into the first folder of PATH.
  func addProgram(_ name: String, _ text: String) {
    let path = folder + "/bin/" + name
    write(text, to: path)
    chmod(path, 0o755)
  }

  func write(_ text: String, to path: String) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    precondition(file >= 0)
    let bytes = Array(text.utf8)
    precondition(Glibc.write(file, bytes, bytes.count) == bytes.count)
    close(file)
  }
}

extension Sandbox {
  /// The process of the only relay of this sandbox.
  func onlyRelay() async throws -> Int32 {
    let text = try await telpher("connections").text
    let lines = text.split(separator: "\n")
    guard lines.count == 1, let pid = lines[0].split(separator: " ").last.flatMap({ Int32($0) })
    else { throw Failed("not one connection: \(text)") }
    return pid
  }
}

/// The permission bits of a file.
func mode(of path: String) -> mode_t? {
  var status = stat()
  return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
}

/// Whether process `pid` exists and is not a zombie.
func isRunning(_ pid: Int32) -> Bool {
  let file = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return false }
  defer { close(file) }
  var bytes = [UInt8](repeating: 0, count: 512)
  let count = read(file, &bytes, bytes.count)
  let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  guard let end = text.lastIndex(of: ")") else { return false }
  return !text[end...].hasPrefix(") Z")
}

/// Waits at most `seconds` until process `pid` has ended. It polls: there is no event for this.
func isGone(_ pid: Int32, within seconds: Double = 5) async throws -> Bool {
  for _ in 0..<Int(seconds * 100) {
    if !isRunning(pid) { return true }
    try await Task.sleep(for: .milliseconds(10))
  }
  return false
}
