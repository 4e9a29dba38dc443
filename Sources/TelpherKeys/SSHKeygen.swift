internal import Glibc
internal import TelpherTransport

/// Signs with a key in a file by `ssh-keygen -Y sign`. It knows every format of private keys, asks for
/// passphrases at the terminal, and uses security keys; this program reads no private key.
package enum SSHKeygen {
  /// The longest answer in bytes: a signature in text.
  private static let maxAnswer = 32 << 10

  /// Lets ssh-keygen sign `message` with the key in `file` for the purpose `namespace`. Blocks until
  /// its user has typed a passphrase or touched a security key, if that is needed.
  ///
  /// - Parameter environment: the environment of ssh-keygen, as `NAME=value`.
  /// - Throws: `KeyError` if ssh-keygen can't be started or does not sign. It has then printed why.
  package static func sign(
    _ message: [UInt8], with file: String, namespace: String, environment: [String]
  ) throws(KeyError) -> SSHSignature {
    // A name with a dash at its start must not be an option.
    let path = file.hasPrefix("/") ? file : "./\(file)"
    let answer = try run(
      ["ssh-keygen", "-q", "-Y", "sign", "-f", path, "-n", namespace, "-O", "hashalg=sha512"],
      environment, input: message)
    return try SSHSignature(armored: String(decoding: answer, as: UTF8.self))
  }

  private static func run(
    _ arguments: [String], _ environment: [String], input: [UInt8]
  ) throws(KeyError) -> [UInt8] {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      throw KeyError("cannot talk to ssh-keygen: \(describe(errno: errno))")
    }
    defer { close(ends[0]) }
    let result = spawn(arguments, environment, at: ends[1])
    close(ends[1])
    let child = try result.get()
    // The message is shorter than the socket's buffer, so this does not block.
    let sent = send(ends[0], input, input.count, Int32(MSG_NOSIGNAL))
    shutdown(ends[0], Int32(SHUT_WR))
    let answer = Result { () throws(KeyError) in
      try RegularFile.readAll(ends[0], "the answer of ssh-keygen", limit: maxAnswer)
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 && errno == EINTR {}
    guard sent == input.count, status == 0 else {
      throw KeyError("ssh-keygen did not sign (see its message)")
    }
    return try answer.get()
  }

  private static func spawn(
    _ arguments: [String], _ environment: [String], at end: Int32
  ) -> Result<pid_t, KeyError> {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, end, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, end, STDOUT_FILENO)
    let words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { (words + variables).forEach { free($0) } }
    var child: pid_t = 0
    let number = posix_spawnp(&child, arguments[0], &actions, nil, words, variables)
    guard number == 0 else {
      return .failure(KeyError("cannot start ssh-keygen: \(describe(errno: number))"))
    }
    return .success(child)
  }
}
