internal import CTelpherTestSupport
package import Glibc
package import TelpherKeys
internal import Testing

/// A temporary folder with keys that ssh-keygen has made. It is removed with its owner.
package final class KeyFolder: Sendable {
  package let path: String

  /// The types of keys that ssh-keygen can make without a security key.
  package static let types: [(name: String, arguments: [String])] = [
    ("ed25519", ["-t", "ed25519"]), ("p256", ["-t", "ecdsa", "-b", "256"]),
    ("p384", ["-t", "ecdsa", "-b", "384"]), ("p521", ["-t", "ecdsa", "-b", "521"]),
    ("rsa", ["-t", "rsa", "-b", "2048"]),
  ]

  package static let hasTools =
    access("/usr/bin/ssh-keygen", X_OK) == 0 && access("/usr/bin/ssh-agent", X_OK) == 0

  package init() throws {
    var template = Array("/tmp/telpher-keys-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw SystemFailure("mkdtemp") }
    path = String(cString: made)
  }

  deinit { _ = try? Self.run(["/bin/rm", "-rf", path], output: "/dev/null") }

  /// The path of a file in the folder.
  package func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Makes the key `name`, of the type that `arguments` say.
  package func make(_ name: String, _ arguments: [String]) throws {
    try run(
      ["ssh-keygen", "-q", "-N", "", "-C", "comment of \(name)", "-f", file(name)] + arguments)
  }

  /// The public key `name`.
  package func publicKey(_ name: String) throws -> SSHPublicKey {
    try SSHPublicKey.parse(text("\(name).pub").split(separator: "\n")[0]).key
  }

  package func text(_ name: String) throws -> String { try #require(Sandbox.text(file(name))) }

  package func write(_ name: String, _ text: String, mode: mode_t = 0o600) throws {
    let descriptor = open(file(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    try check(descriptor, "open")
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    #expect(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    try check(fchmod(descriptor, mode), "fchmod")
  }

  /// Runs a tool; its input is the file `input` of the folder.
  ///
  /// - Returns: its standard output.
  @discardableResult
  package func run(_ arguments: [String], input: String? = nil) throws -> String {
    let output = file("output-\(UInt32.random(in: 0 ... .max))")
    defer { unlink(output) }
    let status = try Self.run(
      arguments, input: input.map { file($0) } ?? "/dev/null", output: output)
    guard status == 0 else { throw ToolFailure(arguments: arguments, status: status) }
    return Sandbox.text(output) ?? ""
  }

  package struct ToolFailure: Error {
    let arguments: [String]
    let status: Int32
  }

  /// Runs a program to its end and returns its wait status.
  package static func run(
    _ arguments: [String], input: String = "/dev/null", output: String
  ) throws -> Int32 {
    let child = try start(arguments, input: input, output: output)
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 {
      guard errno == EINTR else { throw SystemFailure("waitpid") }
    }
    return status
  }

  /// Starts a program and returns its process id.
  package static func start(
    _ arguments: [String], input: String = "/dev/null", output: String
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    // A program that outlives a killed test keeps nothing open, such as a lock of the test's parent.
    errno = telpher_close_inherited(&actions)
    guard errno == 0 else { throw SystemFailure("posix_spawn_file_actions_addclosefrom_np") }
    let words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { words.forEach { free($0) } }
    var child: pid_t = 0
    let number = posix_spawnp(&child, arguments[0], &actions, nil, words, environ)
    guard number == 0 else {
      errno = number
      throw SystemFailure("posix_spawnp")
    }
    return child
  }
}
